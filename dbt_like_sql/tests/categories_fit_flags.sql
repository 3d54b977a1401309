-- tables: snapshot_papers, astro_ph_papers, general_papers
-- why: The flags say which table and count a paper belongs to; the categories must say the same,
--   one blank between two of them and none around: people split the text at blanks.
with split as (
    select
        id,
        categories,
        primary_category,
        is_astro,
        is_primary,
        regexp_extract_all(categories, '\S+') as names
    from {{ this() }}
)

select id, categories, primary_category, is_astro, is_primary
from split
where categories <> array_to_string(names, ' ')
    or is_astro <> coalesce(
        list_bool_or(list_transform(names, lambda n: n = 'astro-ph' or starts_with(n, 'astro-ph.'))),
        false
    )
    or is_primary <> coalesce(names[1] = 'astro-ph' or starts_with(names[1], 'astro-ph.'), false)
    or primary_category is distinct from names[1]
