"""Answers that are not believed: clocks, empty lists, audits, lists that lead nowhere."""

import pytest

from astro_assets.errors import HarvestError
from astro_assets.ingest import oai, oai_walk
from astro_assets.ingest.oai_held import held_harvest
from tests.fakes import arxiv_faults as faults
from tests.fakes.arxiv_oai import refuse
from tests.ingest.harvesting import harvest_june, merged, paper
from tests.ingest.june import FIRST, WINDOW_IDS


@pytest.mark.parametrize("how", ["poisoned", "ill_formed"])
def test_a_server_that_gives_none_of_its_papers_is_not_well(fake, folder, time, how):
    setattr(fake, how, {record["id"] for record in fake.records})
    with pytest.raises(HarvestError, match=r"cannot be had|no OAI-PMH page|HTTP 500"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None


def test_a_server_whose_clock_is_years_ahead_can_be_harvested(fake, folder, time):
    fake.tick(10 * 365 * 86_400)
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_a_day_of_change_far_ahead_is_not_believed(fake, folder, time):
    def spoiled(exchange):
        body = exchange.reply().body.replace(b"<datestamp>2026-06", b"<datestamp>2126-06", 1)
        faults.send(exchange, 200, body)

    fake.faults = {1: spoiled, 2: faults.refuse_token}
    built = harvest_june(fake, folder, time)
    assert {i: one.datestamp for i, one in merged(folder).items()} == {
        record["id"]: record["datestamp"] for record in fake.records[1:]
    }
    assert (built.counts["n_broken"], built.counts["n_unreadable"]) == (1, 0)


def test_a_month_has_ended_only_when_both_clocks_say_so(fake, folder, time):
    fake.tick(-6 * 86_400)
    fake.records = fake.records[:5]
    with pytest.raises(HarvestError, match="known up to 2026-06-26"):
        harvest_june(fake, folder, time)
    fake.tick(6 * 86_400)
    fake.edit("2606.00002", day="2026-06-28", title="edited since")
    built = harvest_june(fake, folder, time)
    assert merged(folder)["2606.00002"].title == "edited since"
    assert built.facts["harvested_at"].startswith("2026-07-02")


def test_months_that_are_caught_up_must_all_be_told(fake, folder, time):
    """The server knows nothing after June; in September that is no window of three months."""
    time.advance(62 * 86_400)
    with pytest.raises(HarvestError, match=r"no change after 2026-07-01.*\n.*up to 2026-08-31"):
        harvest_june(fake, folder, time)
    fake.add(paper(8, "06-30") | {"datestamp": "2026-08-30"})
    harvest_june(fake, folder, time)


def test_arxiv_that_does_not_stand_still_is_left_for_later(fake, folder, time, monkeypatch):
    monkeypatch.setattr(oai, "MAX_ROUNDS", 2)
    fake.faults = {
        i: faults.then(lambda s, i=i: s.edit("2606.00002", title=f"edit {i}")) for i in range(50)
    }
    with pytest.raises(HarvestError, match="something new in each of 2 rounds"):
        harvest_june(fake, folder, time)
    fake.faults = {}
    harvest_june(fake, folder, time)
    assert merged(folder)["2606.00002"].title.startswith("edit ")


def test_an_empty_window_means_later(fake, folder, time):
    fake.records.clear()
    with pytest.raises(HarvestError, match="Try again later"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.records.append(paper(1, "06-30"))
    assert harvest_june(fake, folder, time).counts["n_papers"] == 1


@pytest.mark.parametrize("request_that_is_empty", [1, 2, 4])
def test_an_error_answer_out_of_a_cache_is_not_believed_at_once(
    fake, folder, time, request_that_is_empty
):
    fake.faults = {request_that_is_empty: refuse("noRecordsMatch")}
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS


def test_an_audit_that_lists_nothing_is_no_audit(fake, folder, time):
    fake.faults = {i: refuse("noRecordsMatch") for i in range(4, 60)}
    with pytest.raises(HarvestError, match="Try again later"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None


def test_a_window_in_which_nothing_changed_for_days_is_not_complete_yet(fake, folder, time):
    fake.records = [paper(1, "06-01"), paper(2, "06-22")]
    with pytest.raises(HarvestError, match="no change after 2026-06-22"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.add(paper(3, "06-30"))
    fake.queries.clear()
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == {"2606.00001", "2606.00002", "2606.00003"}
    assert FIRST not in fake.queries  # what was listed is not listed again


@pytest.mark.parametrize("code", ["badArgument", "cannotDisseminateFormat", "badVerb"])
def test_other_protocol_errors_are_named_at_once(fake, folder, time, code):
    fake.faults = {1: refuse(code)}
    with pytest.raises(HarvestError, match=code):
        harvest_june(fake, folder, time)
    assert len(fake.queries) == 1


def test_a_token_that_leads_nowhere_ends_the_harvest(fake, folder, time):
    def same_page(exchange):
        body = fake.answer(fake.queries[1])
        faults.send(exchange, 200, body)

    fake.faults = {3: same_page}
    with pytest.raises(HarvestError, match="repeats the token"):
        harvest_june(fake, folder, time)


def test_a_list_without_an_end_is_left(fake, folder, time, monkeypatch):
    monkeypatch.setattr(oai_walk, "MAX_PAGES", 2)
    with pytest.raises(HarvestError, match="more than 2 pages"):
        harvest_june(fake, folder, time)


def test_a_list_that_cannot_be_audited_is_not_complete(fake, folder, time):
    fake.poisoned, fake.poisoned_headers = {"2606.00004"}, True
    with pytest.raises(HarvestError, match="HTTP 500 for one page"):
        harvest_june(fake, folder, time)
    assert held_harvest(folder) is None
    fake.poisoned = set()
    harvest_june(fake, folder, time)
    assert set(merged(folder)) == WINDOW_IDS
