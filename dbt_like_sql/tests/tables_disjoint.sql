-- why: A paper in both tables would be trained on and counted as general text it must not forget.
select a.id, a.categories as astro_categories, g.categories as general_categories
from {{ ref('astro_ph_papers') }} as a
join {{ ref('general_papers') }} as g on g.id = a.id
