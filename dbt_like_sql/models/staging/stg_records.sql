-- grain: one row per raw record, however it came in (snapshot line or harvested record)
-- key: ordinal
-- kept: spool
-- numbered: ordinal
-- index: submission_month
-- why: the only place where raw text becomes typed columns. Categories are matched as whole tokens
--   (plasm-ph is not astro-ph). The submission month is that of version v1, else the id's YYMM.
--   General papers outside the share keep their key columns only: a later version of a record must
--   still supersede an earlier one, but their text would fill the memory for nothing.
--   A paper is withdrawn if its abstract or comments say so of the paper itself; gas that "is
--   withdrawn from a disk", a withdrawn theorem or a paper once withdrawn from a journal is not.
--   It is withdrawn as well if its latest version has source type I, whatever the text says.
--   A record that says the paper was deleted has no fields but id and day of change.
--   Kept as a spool, because nearly all text of a snapshot passes here and none is needed again
--   before the shards are written, and then month by month.
--   row_sha256 covers every column a table shows, each written as length:value or - for null, so
--   that it is the same in every version of DuckDB and no two rows can be confused.
with parsed as (
    select
        ordinal,
        id,
        title,
        authors,
        abstract,
        nullif(trim(regexp_replace(categories, '\s+', ' ', 'g')), '') as categories,
        comments,
        journal_ref,
        doi,
        license,
        try_strptime(
            list_filter(versions, lambda v: v.version = 'v1')[1].created,
            '%a, %d %b %Y %H:%M:%S GMT'
        ) as submitted_at,
        case
            when regexp_full_match(id, '\d{4}\.\d{4,5}') then id[1:4]
            when regexp_full_match(id, '[A-Za-z.-]+/\d{7}') then split_part(id, '/', 2)[1:4]
        end as id_yymm,
        nullif(len(versions), 0)::integer as n_versions,
        list_transform(
            versions,
            lambda v: {
                'number': try_cast(ltrim(v.version, 'v') as integer),
                'is_withdrawal': coalesce(v.source_type = 'I', false)
            }
        ) as numbered,
        try_cast(coalesce(datestamp, update_date) as date) as update_date,
        is_deleted
    from {{ source('records') }}
),

dated as (
    select
        *,
        list_max(list_transform(numbered, lambda v: v.number)) as latest_version,
        -- of versions with numbers the highest, whatever order they are listed in
        coalesce(list_max(list_filter(numbered, lambda v: v.number is not null)).is_withdrawal, false)
            as ends_withdrawn,
        coalesce(
            strftime(submitted_at, '%Y-%m'),
            case
                when id_yymm[3:4] between '01' and '12'
                    then if(id_yymm[1:2] >= '91', '19', '20') || id_yymm[1:2] || '-' || id_yymm[3:4]
            end
        ) as submission_month,
        coalesce(regexp_matches(categories, '(^| )astro-ph(\.\S*)?( |$)'), false) as is_astro,
        coalesce(regexp_matches(categories, '^astro-ph(\.\S*)?( |$)'), false) as is_primary,
        ('0x' || sha256('general' || chr(31) || $salt || chr(31) || id)[1:16])::ubigint::hugeint
            < $general_below::hugeint as in_general_share
    from parsed
),

sampled as (
    select *, is_astro or in_general_share as is_kept
    from dated
),

bounded as (
    select
        ordinal,
        id,
        if(is_kept, title, null) as title,
        if(is_kept, authors, null) as authors,
        if(is_kept, abstract, null) as abstract,
        categories,
        split_part(categories, ' ', 1) as primary_category,
        if(is_kept, comments, null) as comments,
        if(is_kept, journal_ref, null) as journal_ref,
        if(is_kept, doi, null) as doi,
        if(is_kept, license, null) as license,
        submitted_at,
        submission_month,
        n_versions,
        latest_version,
        update_date,
        is_astro,
        is_primary,
        is_kept,
        is_deleted,
        ends_withdrawn,
        -- what tokens are made of (clean_abstract): accents composed, and every run of blanks and
        -- control characters but one plain space between words: matching those too would cost four
        -- times as much
        if(is_kept, trim(regexp_replace(
            nfc_normalize(replace(abstract, chr(0), ' ')),  -- it would end at a NUL
            '[\p{Cc}\p{Zl}\p{Zp}\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}\x{fffe}\x{ffff}]'
            || '[ \p{Cc}\p{Zl}\p{Zp}\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}\x{fffe}\x{ffff}]*'
            || '| [ \p{Cc}\p{Zl}\p{Zp}\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}\x{fffe}\x{ffff}]+',
            ' ', 'g'
        )), null) as text,
        if(
            is_kept and contains(lower(comments), 'withdr'),
            trim(regexp_replace(comments, '[\s\p{Z}\p{Cc}]+', ' ', 'g')),
            null
        ) as remark
    from sampled
),

read as (
    select
        *,
        -- the plain test first: it spares nearly every abstract the patterns
        ends_withdrawn
        or if(contains(lower(text), 'withdrawn'), regexp_matches(
            text,
            '(?i)\b(this|the|our|present|current)( \w+){0,2} '
            || '(paper|article|preprint|e-?print|manuscript|submission|work|note|text|letter|report'
            || '|version|draft|document)'
            || '( in its (present|current) form)? ((is|was|has|have) )?'
            || '((been|being|now|temporarily|voluntarily|hereby|currently|administratively) ){0,3}'
            || '"?withdrawn\b'
            || '|^\W*((this|the) )?((paper|article|preprint|manuscript|submission|version) )?'
            || '((is|was|has|being|been|temporarily|now) ){0,3}withdrawn\b'
        ), false)
        or coalesce(regexp_matches(
            remark,
            '(?i)\b(paper|article|preprint|e-?print|manuscript|submission|work|note|text|letter|report'
            || '|version|draft|document)'
            || '( in its (present|current) form)? ((is|was|has|have) )?'
            || '((been|being|now|temporarily|voluntarily|hereby|currently|administratively) ){0,3}'
            || 'withdrawn\b'
            || '|^\W*(temporarily )?withdrawn\b'
            || '|\b(temporarily withdrawn|withdrawn by (the )?(author|arxiv))'
            || '|[;.] withdrawn (due to|because)\b'
            || '|\bwithdraw (this|the|my|our) (paper|article|preprint|manuscript|submission|work)\b'
        ), false) as is_withdrawn,
        if(text = '', null, sha256(text)) as text_sha256
    from bounded
)

select
    ordinal,
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
    timezone('UTC', submitted_at) as submitted_at,
    submission_month,
    n_versions,
    latest_version,
    update_date,
    is_astro,
    is_primary,
    is_kept,
    is_deleted,
    is_withdrawn,
    text_sha256,
    if(is_kept, sha256(
        strlen(id) || ':' || id
        || coalesce(strlen(title) || ':' || title, '-')
        || coalesce(strlen(authors) || ':' || authors, '-')
        || coalesce(strlen(abstract) || ':' || abstract, '-')
        || coalesce(strlen(categories) || ':' || categories, '-')
        || coalesce(strlen(comments) || ':' || comments, '-')
        || coalesce(strlen(journal_ref) || ':' || journal_ref, '-')
        || coalesce(strlen(doi) || ':' || doi, '-')
        || coalesce(strlen(license) || ':' || license, '-')
        || coalesce('@' || epoch_us(submitted_at), '-')
        || coalesce('@' || submission_month, '-')
        || coalesce('@' || n_versions, '-')
        || coalesce('@' || latest_version, '-')
        || coalesce('@' || update_date, '-')
    ), null) as row_sha256
from read
