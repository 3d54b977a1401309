-- why: the flags say which table a paper belongs to; the categories must say the same.
select 'astro_ph_papers' as table_name, id, categories
from {{ ref('astro_ph_papers') }}
where not is_astro or (is_primary and not starts_with(trim(categories), 'astro-ph'))
union all
select 'general_papers' as table_name, id, categories
from {{ ref('general_papers') }}
where is_astro or is_primary
    or list_contains(string_split(regexp_replace(categories, '\s+', ' ', 'g'), ' '), 'astro-ph')
