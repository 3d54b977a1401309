-- why: an id that stands twice in a table is read, split and trained on twice.
select 'astro_ph_papers' as table_name, id, count(*) as n_rows
from {{ ref('astro_ph_papers') }}
group by id
having count(*) > 1
union all
select 'general_papers' as table_name, id, count(*) as n_rows
from {{ ref('general_papers') }}
group by id
having count(*) > 1
