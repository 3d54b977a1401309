-- why: A test text that is also trained on under another id leaks; each usable text stands once.
with papers as (
    select id, side, text_sha256 from {{ ref('astro_ph_papers') }} where excluded_because is null
    union all
    select id, side, text_sha256 from {{ ref('general_papers') }} where excluded_because is null
)

select
    text_sha256,
    count(*) as n_papers,
    string_agg(side || ' ' || id, ', ' order by id) as papers
from papers
group by text_sha256
having count(*) > 1
