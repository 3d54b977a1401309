-- grain: one row per paper and category
-- key: table_name, id, category
-- kept: view
-- why: arXiv writes categories as one text; who counts by subfield needs them one by one. A category
--   that is written twice counts once, at its first place.
with papers as (
    select 'astro' as table_name, id, categories, submission_month, side, excluded_because
    from {{ ref('astro_ph_papers') }}
    union all
    select 'general' as table_name, id, categories, submission_month, side, excluded_because
    from {{ ref('general_papers') }}
),

split as (
    select
        *,
        list_distinct(regexp_extract_all(categories, '\S+')) as distinct_categories,
        regexp_extract_all(categories, '\S+') as all_categories
    from papers
),

unnested as (
    select *, unnest(distinct_categories) as category
    from split
)

select
    table_name,
    id,
    category,
    list_position(all_categories, category)::bigint as position,
    submission_month,
    side,
    excluded_because
from unnested
