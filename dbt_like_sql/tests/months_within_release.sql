-- tables: astro_ph_papers, general_papers
-- why: A paper first submitted after the release's end was not there to be read.
select id, submission_month
from {{ this() }}
where submission_month > $release
