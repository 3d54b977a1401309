-- why: A paper on both sides, or on neither, makes every held-out number worthless.
with papers as (
    select id, side from {{ ref('astro_ph_papers') }}
    union all
    select id, side from {{ ref('general_papers') }}
)

select id, min(side) as one_side, max(side) as other_side
from papers
group by id
having min(side) <> max(side) or min(side) not in ('train', 'test')
