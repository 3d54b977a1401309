-- severity: warn
-- why: papers_by_month is what people quote; every paper counts in it once, used or under a reason.
with months as materialized (
    select * from {{ ref('papers_by_month') }}
),

counted as (
    select table_name, sum(n_rows) as n_rows, sum(papers) as papers, sum(n_excluded) as n_excluded
    from months
    group by table_name
),

papers as (
    select 'astro' as table_name, excluded_because from {{ ref('astro_ph_papers') }}
    union all
    select 'general' as table_name, excluded_because from {{ ref('general_papers') }}
),

held as (
    select table_name, count(*) as n_rows, count(*) - count(excluded_because) as papers
    from papers
    group by table_name
)

select
    held.table_name, held.n_rows as rows_held, counted.n_rows as rows_counted,
    held.papers as papers_held, counted.papers as papers_counted
from held
left join counted on counted.table_name = held.table_name
where counted.n_rows is distinct from held.n_rows
    or counted.papers is distinct from held.papers
    or counted.papers + counted.n_excluded is distinct from held.n_rows
union all
select table_name, null, n_rows, null, papers
from months
where papers <> n_train + n_test
    or n_excluded <> excluded_withdrawn + excluded_empty_abstract + excluded_copy_of_test
        + excluded_duplicate_text
