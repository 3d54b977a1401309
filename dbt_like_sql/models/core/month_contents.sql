-- grain: one row per table and submission month
-- key: table_name, submission_month
-- kept: view
-- why: the content hash a month's shard is named by, from key columns alone: a month whose hash is
--   unchanged is neither read nor written. One line per row in id order; row_sha256 stands for what
--   arXiv says, the rest for what the release decided.
select
    table_name,
    submission_month,
    sha256(string_agg(
        row_sha256 || ' ' || side || ' ' || coalesce(excluded_because, ''), chr(10) order by id
    )) as content,
    count(*) as n_rows,
    count(*) filter (where excluded_because is null) as n_papers
from {{ ref('paper_judgements') }}
group by table_name, submission_month
