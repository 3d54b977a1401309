-- grain: one row per paper of the snapshot, astro and general
-- key: id
-- kept: view
-- why: the full rows, fetched only for months whose shards are to be written; what was decided about
--   them is read from stg_snapshot_keys.
select
    -1::bigint as ordinal,
    id,
    title,
    authors,
    abstract,
    categories,
    primary_category,
    comments,
    journal_ref,
    doi,
    license,
    submitted_at,
    submission_month,
    n_versions,
    latest_version,
    update_date,
    is_astro,
    is_primary,
    text_sha256,
    row_sha256
from {{ source('snapshot_rows') }}
