"""Every contract makes rules that speak and a page that says them."""

import duckdb
import pyarrow as pa
import pytest

from astro_assets.warehouse.contract import Column, Contract
from astro_assets.warehouse.contracts import CONTRACTS
from astro_assets.warehouse.rules import key_rule, row_rules
from astro_assets.warehouse.tables_page import PAGE, page

CONTRACT = Contract(
    "things",
    "Things.",
    (
        Column("id", "VARCHAR", "its name", nullable=False, pattern=r"[a-z]\d"),
        Column("kind", "VARCHAR", "what it's like", accepted=("it's", "isn't")),
        Column("is_real", "BOOLEAN", "whether", nullable=False, accepted=(True,)),
    ),
)


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        (("a1", "it's", True), set()),
        (("a1", None, True), set()),
        (("a1\n", "it's", True), {"pattern id"}),
        (("xa1", "it", True), {"pattern id", "accepted kind"}),
        ((None, "it's", None), {"not_null id", "not_null is_real"}),
        (("a1", "isn't", False), {"accepted is_real"}),
    ],
)
def test_a_rule_finds_the_rows_that_break_it(row: tuple[object, ...], broken: set[str]) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table things (id varchar, kind varchar, is_real boolean)")
        connection.execute("insert into things values (?, ?, ?)", row)
        found = {
            rule.name
            for rule in row_rules(CONTRACT)
            if connection.sql(f"from things where {rule.broken}").fetchall()
        }
    assert found == broken


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda c: c.name)
def test_a_contract_can_be_kept(contract: Contract) -> None:
    names = [column.name for column in contract.columns]
    assert set(contract.key) <= set(names)
    assert isinstance(contract.arrow_schema, pa.Schema)
    assert contract.arrow_schema.names == names
    rules = [*row_rules(contract), key_rule(contract)]
    assert len({rule.name for rule in rules}) == len(rules)
    for name in contract.key:
        column = next(c for c in contract.columns if c.name == name)
        assert not column.nullable, "a key that may be null is none"


def test_the_committed_page_is_what_contracts_and_headers_say() -> None:
    told = "Run `python -m astro_assets.warehouse.tables_page`."
    assert PAGE.read_text(encoding="utf-8") == page(), told
