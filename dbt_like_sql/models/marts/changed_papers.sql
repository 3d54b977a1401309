-- grain: one row per paper that is not what it was in the kept release before
-- key: table_name, id
-- kept: view
-- why: what a month brought. added: not in the table before. lost: not in the table any more (another
--   category, or deleted). withdrawn: excluded as withdrawn, and was not before. revised: arXiv says
--   anything else of it, the abstract or only a journal reference. A paper that is judged anew (a copy
--   has come) and otherwise the same is not listed. A category rule or share that moved between the
--   two releases shows as added or lost. case and not if(): clients of DuckDB 1.2 have no if().
with papers as (
    select
        'astro' as table_name, id, title, categories, submission_month, latest_version, update_date,
        excluded_because, text_sha256, row_sha256
    from {{ ref('astro_ph_papers') }}
    union all
    select
        'general' as table_name, id, title, categories, submission_month, latest_version, update_date,
        excluded_because, text_sha256, row_sha256
    from {{ ref('general_papers') }}
),

earlier_papers as (
    select
        'astro' as table_name, id, title, categories, submission_month, latest_version, update_date,
        excluded_because, text_sha256, row_sha256
    from {{ source('earlier_astro_ph_papers') }}
    union all
    select
        'general' as table_name, id, title, categories, submission_month, latest_version, update_date,
        excluded_because, text_sha256, row_sha256
    from {{ source('earlier_general_papers') }}
),

compared as (
    select
        coalesce(p.table_name, e.table_name) as table_name,
        coalesce(p.id, e.id) as id,
        case
            when e.id is null then 'added'
            when p.id is null then 'lost'
            when p.excluded_because = 'withdrawn'
                and e.excluded_because is distinct from 'withdrawn' then 'withdrawn'
            when p.row_sha256 <> e.row_sha256 then 'revised'
        end as change,
        case when p.id is null then e.title else p.title end as title,
        coalesce(p.categories, e.categories) as categories,
        coalesce(p.submission_month, e.submission_month) as submission_month,
        case
            when p.id is not null and e.id is not null
                then p.text_sha256 is distinct from e.text_sha256
        end as is_text_changed,
        e.latest_version as earlier_version,
        p.latest_version,
        case when p.id is null then e.update_date else p.update_date end as update_date,
        case when p.id is null then e.excluded_because else p.excluded_because end as excluded_because
    from papers as p
    full join earlier_papers as e on e.table_name = p.table_name and e.id = p.id
)

select *
from compared
where change is not null
