-- grain: one row per paper of the snapshot, astro and general
-- key: id
-- kept: view
-- why: what a judgement needs of papers that were typed, sampled, put on a side and hashed when the
--   snapshot was read. Withdrawal is the first reason a paper can be excluded for, so the reason
--   tells it without reading any text.
select
    -1::bigint as ordinal,
    id,
    submitted_at,
    submission_month,
    latest_version,
    update_date,
    is_astro,
    is_primary,
    coalesce(excluded_because = 'withdrawn', false) as is_withdrawn,
    side,
    text_sha256,
    row_sha256
from {{ source('snapshot_keys') }}
