-- why: a paper first submitted after the release's end was not there to be read.
select 'astro_ph_papers' as table_name, id, submission_month
from {{ ref('astro_ph_papers') }}
where submission_month > $release
    or (submitted_at is not null and strftime(submitted_at, '%Y-%m') <> submission_month)
union all
select 'general_papers' as table_name, id, submission_month
from {{ ref('general_papers') }}
where submission_month > $release
    or (submitted_at is not null and strftime(submitted_at, '%Y-%m') <> submission_month)
