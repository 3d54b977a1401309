-- tables: snapshot_papers, astro_ph_papers, general_papers
-- why: The submission month names the shard and orders the blocks; it is that of the first version.
select id, submission_month, submitted_at
from {{ this() }}
where submitted_at is not null and strftime(submitted_at, '%Y-%m') <> submission_month
