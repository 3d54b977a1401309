-- grain: one row per table, submission month and category
-- key: table_name, submission_month, category
-- kept: view
-- why: how subfields grow. A paper counts in each of its categories, so the rows of a month sum to
--   more than its papers; papers_first sums to them exactly.
select
    table_name,
    submission_month,
    category,
    count(*) as n_rows,
    count(*) filter (where excluded_because is null) as papers,
    count(*) filter (where excluded_because is null and position = 1) as papers_first,
    count(excluded_because) as n_excluded
from {{ ref('paper_categories') }}
group by table_name, submission_month, category
