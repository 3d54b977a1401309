-- why: a paper on both sides, or on neither, makes every held-out number worthless.
with papers as (
    select id, side from {{ ref('astro_ph_papers') }}
    union all
    select id, side from {{ ref('general_papers') }}
)

select id, string_agg(distinct side, ', ' order by side) as sides
from papers
group by id
having count(distinct side) <> 1 or min(side) not in ('train', 'test')
