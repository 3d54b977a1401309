-- grain: one row per paper with an astro-ph category (any, or the first, by the category rule)
-- key: id
-- kept: view
-- why: the corpus: what the model is trained and tested on. Rows that are excluded stay, with the reason
--   in excluded_because; only rows without a reason become tokens.
select
    r.id,
    r.title,
    r.authors,
    r.abstract,
    r.categories,
    r.primary_category,
    r.comments,
    r.journal_ref,
    r.doi,
    r.license,
    r.submitted_at,
    r.submission_month,
    r.n_versions,
    r.update_date,
    r.is_primary,
    r.text_sha256,
    j.side,
    j.excluded_because,
    r.latest_version,
    r.is_astro,
    r.row_sha256
from {{ ref('paper_judgements') }} as j
join {{ ref('paper_rows') }} as r
    on r.id = j.id and r.ordinal = j.ordinal and r.submission_month = j.submission_month
where j.table_name = 'astro'
