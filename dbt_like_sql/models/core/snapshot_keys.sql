-- grain: one row per paper of the snapshot, astro and general
-- key: id
-- kept: view
-- why: what later releases judge the snapshot's papers by, kept beside its shards so that a release
--   opens one narrow file instead of every shard.
select
    j.id,
    o.submitted_at,
    j.submission_month,
    o.latest_version,
    o.update_date,
    o.is_astro,
    o.is_primary,
    j.text_sha256,
    j.side,
    j.excluded_because,
    j.row_sha256
from {{ ref('paper_judgements') }} as j
join {{ ref('record_outcomes') }} as o on o.id = j.id and o.ordinal = j.ordinal
