-- grain: one row per candidate record: every raw record and every snapshot row
-- key: id, ordinal (-1: the snapshot's row)
-- kept: table
-- why: says of each record what became of it, so that in = out + dropped can be checked. Per id the
--   latest modification day wins, then a deletion (it has no version to compare), then the higher
--   version, then what was read later. "v1 before the end of the release" is a comparison of months,
--   because a release ends where a month ends (UTC). Only ids that stand twice are ranked: nearly all
--   stand once, and sorting those would cost more than the rest together.
--   known_side is that of the snapshot's papers, which were put on a side when it was read.
--   No text here: this table is as wide as a key.
with records as (
    select
        id, ordinal, categories is not null as has_category, submitted_at, submission_month,
        latest_version, update_date, is_astro, is_primary, is_kept, is_deleted, is_withdrawn,
        null::varchar as known_side, text_sha256, row_sha256
    from {{ ref('stg_records') }}
),

snapshot as (
    select
        id, ordinal, true as has_category, submitted_at, submission_month,
        latest_version, update_date, is_astro, is_primary, true as is_kept, false as is_deleted,
        is_withdrawn, side as known_side, text_sha256, row_sha256
    from {{ ref('stg_snapshot_keys') }}
),

contested as (
    select id from records group by id having count(*) > 1
    union
    select records.id from records semi join snapshot on snapshot.id = records.id
),

candidates as (
    select * from records
    union all
    select * from snapshot
),

ranked as (
    select
        *,
        row_number() over (
            partition by candidates.id
            order by
                update_date desc nulls last,
                is_deleted desc,
                latest_version desc nulls last,
                ordinal desc
        ) as recency
    from candidates
    semi join contested on contested.id = candidates.id
    union all
    select candidates.*, 1 as recency
    from candidates
    anti join contested on contested.id = candidates.id
)

select
    id,
    ordinal,
    submitted_at,
    submission_month,
    latest_version,
    update_date,
    is_astro,
    is_primary,
    is_withdrawn,
    known_side,
    text_sha256,
    row_sha256,
    case
        when recency > 1 then 'superseded'
        when is_deleted then 'deleted'
        when not has_category then 'no_category'
        when submission_month is null then 'no_month'
        when submission_month > $release then 'after_release'
        when is_astro and ($category_rule = 'any' or is_primary) then 'astro'
        when is_astro then 'not_primary'
        when is_kept then 'general'
        else 'general_left_out'
    end as outcome
from ranked
