-- grain: one row per sampled paper without any astro-ph category
-- key: id
-- kept: view
-- why: what the model must not forget: its test side measures forgetting, its train side makes the
--   scratch base. Same columns as astro_ph_papers.
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
where j.table_name = 'general'
