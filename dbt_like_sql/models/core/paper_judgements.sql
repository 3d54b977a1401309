-- grain: one row per paper of the release: astro, general, and astro papers a category rule left out
-- key: id
-- kept: table
-- why: the side of a paper and whether its text may be used. Reasons in the order of their test:
--   withdrawn, empty_abstract, copy_of_test, duplicate_text. copy_of_test comes before
--   duplicate_text, and only what is left is ranked: of a text that stands on both sides all train
--   copies go first, then the earliest test copy stays, so the text is tested on and never trained
--   on. The other order could keep the (earlier) train copy and lose the test one. Copies are sought
--   over all months and both tables; between tables the astro copy stays, within one the earliest
--   (v1 or month start, id). Withdrawn texts are no copies: nobody reads them. Judgement does not
--   depend on the category rule, so papers_any and papers_primary are the same under either.
with papers as (
    select
        id,
        ordinal,
        outcome as table_name,
        submission_month,
        is_astro,
        is_primary,
        is_withdrawn,
        coalesce(known_side, if(
            ('0x' || sha256($salt || chr(31) || id)[1:16])::ubigint::hugeint
                < $test_below::hugeint,
            'test', 'train'
        )) as side,
        text_sha256,
        row_sha256,
        coalesce(
            submitted_at, timezone('UTC', strptime(submission_month || '-01', '%Y-%m-%d'))
        ) as first_seen
    from {{ ref('record_outcomes') }}
    where outcome in ('astro', 'general', 'not_primary')
),

test_texts as (
    select distinct text_sha256
    from papers
    where side = 'test' and not is_withdrawn and text_sha256 is not null
),

first_reasons as (
    select
        papers.*,
        case
            when is_withdrawn then 'withdrawn'
            when papers.text_sha256 is null then 'empty_abstract'
            when side = 'train' and test_texts.text_sha256 is not null then 'copy_of_test'
        end as reason
    from papers
    left join test_texts on papers.text_sha256 = test_texts.text_sha256
),

-- few texts stand twice: to rank only those spares sorting all others
repeated_texts as (
    select text_sha256
    from first_reasons
    where reason is null
    group by text_sha256
    having count(*) > 1
),

later_copies as (
    select id
    from first_reasons
    semi join repeated_texts on repeated_texts.text_sha256 = first_reasons.text_sha256
    where reason is null
    qualify row_number() over (
        partition by first_reasons.text_sha256 order by is_astro desc, first_seen, id
    ) > 1
)

select
    first_reasons.id,
    ordinal,
    table_name,
    submission_month,
    is_primary,
    side,
    coalesce(reason, if(later_copies.id is not null, 'duplicate_text', null)) as excluded_because,
    text_sha256,
    row_sha256
from first_reasons
left join later_copies on later_copies.id = first_reasons.id
