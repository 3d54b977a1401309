import polars as pl
import pytest

from astro_assets.evaluation.embeddings.mentions import arxiv_ids, as_arxiv_id, named_pairs


def table(comments):
    return pl.DataFrame(
        {"id": list(comments), "comments": list(comments.values())},
        schema={"id": pl.String, "comments": pl.String},
    )


@pytest.mark.parametrize(
    "text, ids",
    [
        ("Companion to arXiv:2301.00001.", ["2301.00001"]),
        ("see arXiv:0704.0044v2 and 0704.0045", ["0704.0044", "0704.0045"]),
        ("(astro-ph/9901234v1)", ["astro-ph/9901234"]),
        ("supplements math.SG/0212180", ["math/0212180"]),
        ("Astro-Ph/9901234", ["astro-ph/9901234"]),
        ("https://arxiv.org/abs/hep-th/9405050, 0704.0044", ["hep-th/9405050", "0704.0044"]),
        ("twice: 0704.0044 and arXiv:0704.0044v3", ["0704.0044"]),
        ("doi 10.1080/00107514.2018.1439700; 12.3456; 2018.99.1", []),
        ("month 13: 0713.0044; six digits 2301.000012; version 1.2", []),
        ("12 pages, 5 figures", []),
        ("", []),
    ],
)
def test_ids_in_text(text, ids):
    assert arxiv_ids(text) == ids


def test_pairs_by_hand():
    papers = table(
        {
            "2301.00001": "Paper I of two; see arXiv:2301.00002v2",
            "2301.00002": "Paper II, see arXiv:2301.00001",  # the same pair again
            "2301.00003": "replaces arXiv:2301.00003v1",  # itself
            "astro-ph/9901234": "with 2301.00003 and 2301.99999",  # the second is not here
            "2301.00005": None,
        }
    )
    assert named_pairs(papers) == [
        ("2301.00001", "2301.00002"),
        ("astro-ph/9901234", "2301.00003"),
    ]


def test_no_paper_no_pair():
    assert named_pairs(table({})) == []


def test_the_work_on_one_comment_is_bounded():
    many = " ".join(f"2301.{n:05d}" for n in range(100))
    assert len(arxiv_ids(many)) == 20
    assert arxiv_ids("x" * 3_000 + " 2301.00001") == []


@pytest.mark.parametrize(
    "text, id",
    [
        ("0704.0044", "0704.0044"),
        (" arXiv:0704.0044v2 ", "0704.0044"),
        ("arxiv: astro-ph/9901234", "astro-ph/9901234"),
        ("https://arxiv.org/pdf/2301.00001v1.pdf", "2301.00001"),
        ("papers like 0704.0044", None),
        ("0704.0044 and more", None),
        ("galaxies", None),
        ("", None),
    ],
)
def test_a_text_that_is_an_id(text, id):
    assert as_arxiv_id(text) == id
