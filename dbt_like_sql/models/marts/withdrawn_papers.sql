-- grain: one row per withdrawn paper
-- key: table_name, id
-- kept: view
-- why: what was withdrawn stays in the tables, unused; this is the list to look through, with the
--   comments that often say why.
select
    'astro' as table_name, id, title, comments, categories, submission_month, latest_version,
    update_date
from {{ ref('astro_ph_papers') }}
where excluded_because = 'withdrawn'
union all
select
    'general' as table_name, id, title, comments, categories, submission_month, latest_version,
    update_date
from {{ ref('general_papers') }}
where excluded_because = 'withdrawn'
