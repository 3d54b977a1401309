-- severity: warn
-- why: What is counted as withdrawn can be looked up by id.
with listed as (
    select table_name, submission_month, count(*) as n
    from {{ ref('withdrawn_papers') }}
    group by table_name, submission_month
)

select m.table_name, m.submission_month, m.excluded_withdrawn, listed.n as n_listed
from {{ ref('papers_by_month') }} as m
left join listed
    on listed.table_name = m.table_name and listed.submission_month = m.submission_month
where m.excluded_withdrawn <> coalesce(listed.n, 0)
