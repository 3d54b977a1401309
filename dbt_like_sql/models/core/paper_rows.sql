-- grain: one row per candidate record that has text: raw records and the snapshot's rows
-- key: id, ordinal
-- kept: view
-- why: where the marts fetch the full row of a record once it has been judged.
select
    ordinal, id, title, authors, abstract, categories, primary_category, comments, journal_ref, doi,
    license, submitted_at, submission_month, n_versions, latest_version, update_date, is_astro,
    is_primary, text_sha256, row_sha256
from {{ ref('stg_records') }}
union all
select
    ordinal, id, title, authors, abstract, categories, primary_category, comments, journal_ref, doi,
    license, submitted_at, submission_month, n_versions, latest_version, update_date, is_astro,
    is_primary, text_sha256, row_sha256
from {{ ref('stg_snapshot') }}
