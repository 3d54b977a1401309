-- severity: warn
-- why: Every used paper has one first category, so papers_first sums to the papers of the month.
select
    m.table_name, m.submission_month, m.papers, sum(s.papers_first) as papers_first
from {{ ref('papers_by_month') }} as m
left join {{ ref('papers_by_subfield') }} as s
    on s.table_name = m.table_name and s.submission_month = m.submission_month
group by m.table_name, m.submission_month, m.papers
having m.papers is distinct from sum(s.papers_first)
