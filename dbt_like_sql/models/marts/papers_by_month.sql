-- grain: one row per table and submission month
-- key: table_name, submission_month
-- kept: view
-- why: how the corpus grows, and how much of each month no model may read, by reason.
with papers as (
    select 'astro' as table_name, submission_month, side, excluded_because
    from {{ ref('astro_ph_papers') }}
    union all
    select 'general' as table_name, submission_month, side, excluded_because
    from {{ ref('general_papers') }}
)

select
    table_name,
    submission_month,
    count(*) as n_rows,
    count(*) filter (where excluded_because is null) as papers,
    count(*) filter (where excluded_because is null and side = 'train') as n_train,
    count(*) filter (where excluded_because is null and side = 'test') as n_test,
    count(excluded_because) as n_excluded,
    count(*) filter (where excluded_because = 'withdrawn') as excluded_withdrawn,
    count(*) filter (where excluded_because = 'empty_abstract') as excluded_empty_abstract,
    count(*) filter (where excluded_because = 'copy_of_test') as excluded_copy_of_test,
    count(*) filter (where excluded_because = 'duplicate_text') as excluded_duplicate_text
from papers
group by table_name, submission_month
