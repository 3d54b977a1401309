-- why: every paper left out is counted under a reason that the reports know.
with papers as (
    select id, excluded_because, text_sha256 from {{ ref('astro_ph_papers') }}
    union all
    select id, excluded_because, text_sha256 from {{ ref('general_papers') }}
)

select id, excluded_because
from papers
where excluded_because not in ('withdrawn', 'empty_abstract', 'copy_of_test', 'duplicate_text')
    or (excluded_because is null and text_sha256 is null)
