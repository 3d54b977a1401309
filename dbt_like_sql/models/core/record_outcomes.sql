-- grain: one row per candidate record: every raw record and every snapshot row
-- key: id, ordinal (-1: the snapshot's row)
-- kept: table
-- why: says of each record what became of it, so that in = out + dropped can be checked. Per id the
--   latest modification day wins, then the higher version, then what was read later. "v1 before the
--   end of the release" is a comparison of months, because a release ends where a month ends (UTC).
--   No text here: this table is as wide as a key.
with records as (
    select
        id, ordinal, categories, submitted_at, submission_month, latest_version, update_date,
        is_astro, is_primary, is_kept, is_withdrawn, text_sha256, row_sha256
    from {{ ref('stg_records') }}
    union all
    select
        id, ordinal, categories, submitted_at, submission_month, latest_version, update_date,
        is_astro, is_primary,
        is_astro
        or ('0x' || sha256('general' || chr(31) || $salt || chr(31) || id)[1:16])::ubigint::hugeint
            < $general_below::hugeint as is_kept,
        is_withdrawn, text_sha256, row_sha256
    from {{ ref('stg_snapshot') }}
),

ranked as (
    select
        *,
        row_number() over (
            partition by id
            order by update_date desc nulls last, latest_version desc nulls last, ordinal desc
        ) as recency
    from records
)

select
    id,
    ordinal,
    submitted_at,
    submission_month,
    is_astro,
    is_primary,
    is_withdrawn,
    text_sha256,
    row_sha256,
    case
        when recency > 1 then 'superseded'
        when categories is null then 'no_category'
        when submission_month is null then 'no_month'
        when submission_month > $release then 'after_release'
        when is_astro and ($category_rule = 'any' or is_primary) then 'astro'
        when is_astro then 'not_primary'
        when is_kept then 'general'
        else 'general_left_out'
    end as outcome
from ranked
