"""Papers that a list did not bring, or could not be had: found, fetched, or named."""

from datetime import timedelta

import pytest

from astro_assets.errors import HarvestError
from astro_assets.ingest import oai
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import fail, refuse
from tests.ingest.harvesting import harvest_june, merged, paper
from tests.ingest.june import WINDOW_IDS, token_after


def _outage(fake, time, *, minutes, after):
    """Let every request fail from the n-th on, for some minutes of the clock."""
    until = []

    def fault(exchange):
        until or until.append(time.now + timedelta(minutes=minutes))
        if time.now < until[0]:
            fail(500)(exchange)
        else:
            exchange.answer()

    fake.faults = {i: fault for i in range(after, after + 500)}


def test_a_refused_token_starts_again_from_the_last_day_seen(fake, folder, time):
    fake.faults = {3: refuse("badResumptionToken")}
    built = harvest_june(fake, folder, time)
    assert fake.queries[2:4] == [
        token_after("2026-07-01"),
        "verb=ListRecords&metadataPrefix=arXivRaw&from=2026-06-30",
    ]
    assert set(merged(folder)) == WINDOW_IDS
    assert (built.counts["n_records"], built.counts["n_repeated"]) == (6, 1)


def test_a_token_that_expired_while_nobody_harvested_is_no_loss(fake, folder, time):
    fake.faults = {2: fail(403)}
    with pytest.raises(HarvestError):
        harvest_june(fake, folder, time)
    time.sleep(3 * 86_400)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_what_lies_behind_a_token_that_is_refused_for_ever_is_fetched_paper_by_paper(
    fake, folder, time
):
    fake.per_page = 1
    fake.records = [paper(i, "06-30") for i in range(1, 4)]
    fake.faults = {i: faults.refuse_token for i in range(1, 100)}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert built.counts["n_recovered"] == 2


def test_an_edit_during_the_harvest_shifts_a_paper_out_of_the_list_and_the_audit_finds_it(
    fake, folder, time
):
    fake.records = [paper(i, "06-30") for i in range(1, 6)]
    # between the first and the second page a paper of the first goes to the end of the list
    fake.faults = {2: faults.then(lambda server: server.edit("2606.00001", title="edited"))}
    built = harvest_june(fake, folder, time)
    held = merged(folder)
    assert set(held) == {f"2606.{i:05d}" for i in range(1, 6)}
    assert held["2606.00001"].title == "edited"
    assert built.counts["n_recovered"] == 1
    assert any("verb=GetRecord" in query for query in fake.queries)
    assert built.counts["n_rounds"] == 2  # the first was not clean


def test_a_second_edit_on_one_day_is_seen_though_its_datestamp_stays(fake, folder, time):
    fake.records.append(paper(7, "07-02", title="first"))
    fake.faults = {4: faults.then(lambda server: server.edit("2606.00007", title="second"))}
    harvest_june(fake, folder, time)
    assert merged(folder)["2606.00007"].title == "second"


def test_many_missing_papers_are_listed_again_and_not_fetched_one_by_one(
    fake, folder, time, monkeypatch
):
    monkeypatch.setattr(oai, "MAX_SINGLE_RECORDS", 1)
    fake.faults = {
        4: faults.then(lambda s: [s.edit(f"2606.0000{i}", day="2026-06-20") for i in (3, 4)])
    }
    harvest_june(fake, folder, time)
    assert not any("verb=GetRecord" in query for query in fake.queries)
    assert {merged(folder)[f"2606.0000{i}"].datestamp for i in (3, 4)} == {"2026-06-20"}


def test_papers_that_listing_again_does_not_bring_are_fetched_one_by_one_however_many(
    fake, folder, time, monkeypatch
):
    """A day with a page that cannot be made, and more papers on it than are fetched singly."""
    monkeypatch.setattr(oai, "MAX_SINGLE_RECORDS", 4)
    fake.per_page = 4
    fake.records = [paper(i, "06-15") for i in range(1, 201)] + [paper(999, "06-30")]
    fake.poisoned = {"2606.00003"}
    built = harvest_june(fake, folder, time)
    assert len(merged(folder)) == 200
    assert built.facts["unreadable"] == ["2606.00003"]


@pytest.mark.parametrize("minutes", [1, 3, 10, 120])
def test_an_outage_while_papers_are_fetched_singly_loses_none(fake, folder, time, minutes):
    fake.records = [paper(i, "06-30") for i in range(1, 6)]
    fake.edit("2606.00001", day="2026-06-30", title="first edit")

    def go_dark(server):
        server.edit("2606.00002", title="edited")
        _outage(server, time, minutes=minutes, after=len(server.queries) + 3)

    fake.faults = {2: faults.then(go_dark)}
    for _ in range(5):
        try:
            built = harvest_june(fake, folder, time)
            break
        except HarvestError:
            time.advance(3_600)
    assert set(merged(folder)) == {f"2606.{i:05d}" for i in range(1, 6)}
    assert merged(folder)["2606.00002"].title == "edited"
    assert built.counts["n_unreadable"] == 0


def test_a_paper_that_could_not_be_had_is_asked_for_again_by_a_resumed_harvest(fake, folder, time):
    fake.records = [paper(1, "06-01"), paper(2, "06-02")]
    fake.ill_formed = {"2606.00001"}
    with pytest.raises(HarvestError, match="no change after 2026-06-02"):
        harvest_june(fake, folder, time)
    fake.ill_formed = set()
    fake.add(paper(3, "06-30"))
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert built.facts["unreadable"] == []


def test_a_paper_whose_last_edit_cannot_be_had_is_named_though_an_older_text_is_held(
    fake, folder, time
):
    def edit_badly(server):
        server.edit("2606.00003", title="the edit")
        server.ill_formed = {"2606.00003"}

    fake.faults = {4: faults.then(edit_badly)}
    built = harvest_june(fake, folder, time)
    assert merged(folder)["2606.00003"].datestamp == "2026-06-01"
    assert built.facts["unreadable"] == ["2606.00003"]


def test_an_ill_formed_paper_costs_itself_and_is_named(fake, folder, time):
    fake.ill_formed = {"2606.00004"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS - {"2606.00004"}
    assert built.facts["unreadable"] == ["2606.00004"]
    assert built.counts["n_unreadable"] == 1


def test_a_page_the_server_cannot_make_is_fetched_paper_by_paper(fake, folder, time):
    """A page that is HTTP 500 for good: the rest of the window comes all the same."""
    fake.records = [paper(i, f"06-{20 + i}") for i in range(1, 10)]
    fake.poisoned = {"2606.00004"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == {f"2606.{i:05d}" for i in range(1, 10) if i != 4}
    assert built.facts["unreadable"] == ["2606.00004"]


def test_a_page_that_cannot_be_made_at_the_end_of_the_list_is_no_loss(fake, folder, time):
    fake.poisoned = {"2606.00006"}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS - {"2606.00006"}
    assert built.facts["unreadable"] == ["2606.00006"]


def test_a_damaged_page_costs_the_others_nothing(fake, folder, time):
    harvest_june(fake, folder, time)
    kept = (folder / "page-00003.xml.gz").read_bytes()
    (folder / "page-00001.xml.gz").write_bytes(b"damaged")
    fake.queries.clear()
    fake.edit("2606.00006", day="2026-07-02", title="months later")
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
    assert (folder / "page-00003.xml.gz").read_bytes() == kept
    assert built.counts["n_recovered"] == 3  # two papers of the page, one edited since


def test_a_damaged_page_on_the_way_is_asked_for_again(fake, folder, time):
    fake.faults = {1: faults.bad_utf8, 2: faults.wholly_ill_formed}
    built = harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
    assert (built.counts["n_repaired_characters"], built.counts["n_broken"]) == (0, 0)
