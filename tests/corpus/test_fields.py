import pytest

from astro_assets.corpus.fields import FORMER, MEASURED, REPLAYED, field_facts, role_of
from astro_assets.ingest.synthetic import generate
from astro_assets.months import Month

ARCHIVES = {
    "cond-mat", "cs", "econ", "eess", "gr-qc", "hep-ex", "hep-lat", "hep-ph", "hep-th", "math",
    "math-ph", "nlin", "nucl-ex", "nucl-th", "physics", "q-bio", "q-fin", "quant-ph", "stat",
}  # fmt: skip
"""arXiv's archives but astro-ph (https://arxiv.org/archive)."""


def test_every_archive_stands_in_one_list() -> None:
    assert sorted(MEASURED + REPLAYED) == sorted(ARCHIVES)
    assert set(FORMER.values()) <= ARCHIVES and not set(FORMER) & ARCHIVES


@pytest.mark.parametrize(
    ("categories", "role"),
    [
        ("cs.CL", "measured"),
        ("physics.optics quant-ph cond-mat.other", "measured"),
        ("math.NT", "replayed"),
        ("hep-th gr-qc math-ph", "replayed"),
        ("alg-geom math.AG", "replayed"),
        ("cs.LG math.OC", None),
        ("math.OC cs.LG", None),
        ("gr-qc astro-ph.CO", None),
        ("astro-ph", None),
        ("xyz.AB", None),
        ("cs.LG xyz.AB", None),
        ("not-math cs", None),
        ("  ", None),
    ],
)
def test_all_categories_must_be_of_one_list(categories: str, role: str | None) -> None:
    assert role_of(categories) == role


def test_no_paper_of_a_measured_role_has_a_category_of_a_replayed_archive() -> None:
    lists = {r["categories"] for r in generate(3_000, until=Month(2023, 7))}
    roles = {listed: role_of(listed) for listed in lists}
    for listed, role in roles.items():
        archives = {c.split(".")[0] for c in listed.split()}
        archives = {FORMER.get(archive, archive) for archive in archives}
        if role == "measured":
            assert archives <= set(MEASURED)
        elif role == "replayed":
            assert archives <= set(REPLAYED)
    assert {"measured", "replayed", None} == set(roles.values())


def test_made_up_papers_have_both_roles_in_plenty() -> None:
    general = [
        role_of(r["categories"])
        for r in generate(3_000, until=Month(2023, 7))
        if "astro-ph" not in r["categories"]
    ]
    assert general.count("measured") / len(general) == pytest.approx(0.73, abs=0.05)
    assert general.count("replayed") / len(general) == pytest.approx(0.23, abs=0.05)


def test_reports_keep_the_lists() -> None:
    facts = field_facts()
    assert (facts["measured"], facts["replayed"]) == (list(MEASURED), list(REPLAYED))
