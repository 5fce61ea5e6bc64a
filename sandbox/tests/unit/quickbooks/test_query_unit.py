"""The query language: what is read, what is refused with which words at which column, and which rows are found."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.quickbooks.controls import Shapes
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.query import FILTERABLE, Condition, Query, count, parse, run

PROPERTIES = ("DocNumber", "TxnDate", "CustomerRef", "DueDate")
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
OPERATORS = st.sampled_from(["=", "<", ">", "<=", ">=", "LIKE"])
CONDITIONS = st.one_of(
    st.builds(lambda name, sign, text: Condition(name, sign, (text,)), st.sampled_from(PROPERTIES), OPERATORS, TEXTS),
    st.builds(
        lambda name, texts: Condition(name, "IN", tuple(texts)),
        st.sampled_from(PROPERTIES),
        st.lists(TEXTS, min_size=1, max_size=3),
    ),
)
QUERIES = st.builds(
    Query,
    entity=st.just("Invoice"),
    is_count=st.booleans(),
    conditions=st.lists(CONDITIONS, max_size=3).map(tuple),
    order_by=st.just("TxnDate"),
    is_descending=st.booleans(),
    start=st.integers(1, 5000),
    most=st.integers(1, 1000),
)
WORDS = ["select", "*", "count(*)", "from", "Invoice", "Customer", "where", "TxnDate", "Id", "Balance", "=", ">", "in"]
WORDS += ["like", "(", "'1'", "')", ",", "and", "or", "not", "orderby", "desc", "startposition", "maxresults", "7", "'"]


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def written(query: Query) -> str:
    """The text of a query, as a client writes it."""
    wheres = [
        f"{condition.property} {condition.operator} "
        + (f"({', '.join(values)})" if condition.operator == "IN" else values[0])
        for condition in query.conditions
        for values in [[quoted(value) for value in condition.values]]
    ]
    where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
    order = f" ORDERBY {query.order_by} {'DESC' if query.is_descending else 'ASC'}"
    projection = "count(*)" if query.is_count else "*"
    return f"SELECT {projection} FROM {query.entity}{where}{order} STARTPOSITION {query.start} MAXRESULTS {query.most}"


def refusal(text: str) -> QuickBooksFault:
    with pytest.raises(QuickBooksFault) as refused:
        parse(text)
    return refused.value


def ids(text: str, bodies: list[dict[str, Any]]) -> list[str]:
    return [body["Id"] for body in run(parse(text), bodies)]


def invoice(id: str, **members: object) -> dict[str, Any]:
    return {"Id": id, **members}


@settings(max_examples=40)
@given(QUERIES)
def test_a_query_that_is_written_is_read_again(query: Query) -> None:
    assert parse(written(query)) == query


def test_a_plain_query_asks_for_the_first_hundred() -> None:
    assert parse("select * from Invoice") == Query("Invoice", start=1, most=100)


@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_words_names_and_entities_are_read_in_any_case(write: Any) -> None:
    text = "select * from invoice where txndate > '2026' and balance in ('1') orderby duedate desc maxresults 5"
    assert parse(write(text)) == Query(
        "Invoice",
        conditions=(Condition("TxnDate", ">", ("2026",)), Condition("Balance", "IN", ("1",))),
        order_by="DueDate",
        is_descending=True,
        most=5,
    )


def test_a_projection_is_read_as_everything() -> None:
    assert parse("select Id, MetaData.CreateTime from Invoice") == parse("select * from Invoice")


@pytest.mark.parametrize("value", ["100.5", "'100.5'", "-3", "'-3'"])
def test_numbers_may_go_without_quotes(value: str) -> None:
    assert parse(f"select * from Invoice where Balance > {value}").conditions[0].values == (value.strip("'"),)


def test_an_apostrophe_is_escaped_with_a_backslash() -> None:
    assert parse(r"select * from Customer where DisplayName = 'O\'Neil'").conditions[0].values == ("O'Neil",)


@pytest.mark.parametrize(
    ("text", "token", "column"),
    [
        ("select * from Invoice where Balance = '1' or Id = '2'", '<IDENTIFIER> "or', 43),
        ("select * from Invoice where TxnDate not in ('1')", '<IDENTIFIER> "not', 37),
        ("select * from Invoice join Customer", '<IDENTIFIER> "join', 23),
        ("select * from Invoice group by TxnDate", '<IDENTIFIER> "group', 23),
        ("select * from Invoice order by TxnDate", '<IDENTIFIER> "order', 23),
        ("  select * form Invoice", '<IDENTIFIER> "form', 12),
        ("update Invoice", '<IDENTIFIER> "update', 1),
        ("select * from Invoice where DocNumber = 'it''s'", '<STRING> "s', 45),
        ("select * from Invoice where DocNumber = INV", '<IDENTIFIER> "INV', 41),
    ],
)
def test_what_is_no_query_is_refused_where_it_stops_to_be_one(text: str, token: str, column: int) -> None:
    fault = refusal(text)
    assert fault.code == "4000"
    assert fault.detail == f'QueryParserError: Encountered " {token} "" at line 1, column {column}.'


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("select * from", 14),
        ("select * from Invoice where DocNumber = 'open", 41),
        ('select * from Invoice where DocNumber = "1"', 41),
        ("select * from Invoice where Balance != '1'", 37),
        ("select * from Invoice where DocNumber in ()", 43),
        ("select * from Invoice where DocNumber in ('1'", 46),
        ("select * from Invoice where Balance = '1' and", 46),
        ("select * from Invoice startposition '1'", 37),
        ("select * from Invoice maxresults -1", 34),
        ("select sum(*) from Invoice", 11),
        ("select * from Invoice, Customer", 22),
    ],
)
def test_a_refusal_names_the_column(text: str, column: int) -> None:
    fault = refusal(text)
    assert fault.code == "4000"
    assert fault.detail.startswith('QueryParserError: Encountered " ')
    assert fault.detail.endswith(f" at line 1, column {column}.")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("select * from Invoice where not Balance = '1'", "line 1, column 29", id="NOT"),
        pytest.param("select * from Invoice where orderby TxnDate", "line 1, column 29", id="no condition"),
        pytest.param("select from Invoice", "line 1, column 8", id="no projection"),
        pytest.param("select '*' from Invoice", "line 1, column 8", id="quoted star"),
        pytest.param("select *\nfrom Invoice\nwher x", "line 3, column 1", id="third line"),
        pytest.param('select * from Invoice or x = "1"', "line 1, column 23", id="the first of two mistakes"),
    ],
)
def test_a_refusal_names_the_first_mistake(text: str, place: str) -> None:
    fault = refusal(text)
    assert fault.code == "4000"
    assert fault.detail.endswith(f" at {place}.")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("select * from Invoice where X = '1'", "Property X not found for Entity Invoice"),
        ("select * from Invoice orderby X", "Property X not found for Entity Invoice"),
        ("select * from Payment where DocNumber = '1'", "Property DocNumber not found for Entity Payment"),
        ("select * from Invoice where Active = true", "Property Active not found for Entity Invoice"),
        ("select * from Customer where CustomerTypeRef = '1'", "'CustomerTypeRef' is not queryable"),
        ("select * from Invoice where ClassRef = '1'", "'ClassRef' is not queryable"),
        ("select * from Invoice where BillEmail = 'a@b.example'", "'BillEmail' is not queryable"),
        ("select * from Invoice maxresults 1500", "value 1500 is too large. Max allowed value is 1000"),
    ],
)
def test_a_query_for_what_there_is_not_is_refused_in_these_words(text: str, detail: str) -> None:
    fault = refusal(text)
    assert (fault.code, fault.detail) == ("4001", f"QueryValidationError: {detail}")


def test_a_page_that_is_too_large_may_be_cut_instead() -> None:
    text = "select * from Invoice maxresults 1500"
    assert parse(text, Shapes(query_too_large="cap")).most == 1000


def test_numbers_may_have_to_be_quoted() -> None:
    strict = Shapes(has_bare_numbers=False)
    with pytest.raises(QuickBooksFault) as refused:
        parse("select * from Invoice where Balance > 100", strict)
    assert (refused.value.code, '<INTEGER> "100' in refused.value.detail) == ("4000", True)
    text = "select * from Customer where Balance > '100' and Active = true startposition 1 maxresults 10"
    assert parse(text, strict) == parse(text)
    bare = parse("select * from Invoice where Balance > 100")
    assert bare.conditions == (Condition("Balance", ">", ("100",)),)


@pytest.mark.parametrize("sign", ["<", ">", "<=", ">=", "LIKE"])
def test_an_id_is_not_compared_by_size(sign: str) -> None:
    assert refusal(f"select * from Invoice where Id {sign} '1'").code == "4001"


def test_a_thousand_is_the_most() -> None:
    assert parse("select * from Invoice maxresults 1000").most == 1000


@pytest.mark.parametrize("entity", sorted(FILTERABLE))
def test_every_entity_is_asked_for_by_id_and_by_change(entity: str) -> None:
    parse(f"select * from {entity} where Id in ('1') and MetaData.LastUpdatedTime > '2026-11-01T00:00:00-08:00'")


@settings(max_examples=40)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_text_is_a_query_or_a_fault(text: str) -> None:
    with suppress(QuickBooksFault):
        parse(text)


@settings(max_examples=40)
@given(st.integers(-300, 300), st.lists(st.integers(-300, 300), max_size=8))
def test_amounts_are_compared_as_numbers(limit: int, amounts: list[int]) -> None:
    bodies = [invoice(str(at), Balance=Decimal(amount) / 100) for at, amount in enumerate(amounts)]
    text = f"select * from Invoice where Balance >= '{Decimal(limit) / 100}'"
    assert ids(text, bodies) == [str(at) for at, amount in enumerate(amounts) if amount >= limit]


def test_dates_are_compared_by_day() -> None:
    bodies = [
        invoice("1", TxnDate="2026-10-31"),
        invoice("2", TxnDate="2026-11-01"),
        invoice("3", TxnDate="2026-11-02"),
    ]
    assert ids("select * from Invoice where TxnDate >= '2026-11-01' and TxnDate < '2026-11-02'", bodies) == ["2"]


def test_changes_are_compared_as_instants() -> None:
    pacific = invoice("1", MetaData={"LastUpdatedTime": "2026-11-22T02:00:00-08:00"})
    in_utc = "select * from Invoice where MetaData.LastUpdatedTime"
    assert ids(f"{in_utc} = '2026-11-22T10:00:00Z'", [pacific]) == ["1"]
    assert ids(f"{in_utc} > '2026-11-22T09:59:59Z'", [pacific]) == ["1"]
    assert ids(f"{in_utc} > '2026-11-22T10:00:00+00:00'", [pacific]) == []


def test_a_reference_is_compared_by_its_value() -> None:
    bodies = [invoice("1", CustomerRef={"value": "12", "name": "Acme"}), invoice("2", CustomerRef={"value": "120"})]
    assert ids("select * from Invoice where CustomerRef = '12'", bodies) == ["1"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("INV%", ["1", "2"]),
        ("%7", ["2", "3"]),
        ("%-%", ["1", "2"]),
        ("INV-1", ["1"]),
        ("I_V%", []),
        ("INV.1", []),
        ("%", ["1", "2", "3"]),
    ],
)
def test_percent_is_the_one_wildcard(pattern: str, found: list[str]) -> None:
    bodies = [invoice("1", DocNumber="INV-1"), invoice("2", DocNumber="INV-7"), invoice("3", DocNumber="7")]
    assert ids(f"select * from Invoice where DocNumber like '{pattern}'", bodies) == found


def test_in_finds_any_of_its_values() -> None:
    assert ids("select * from Invoice where Id in ('3', '1')", [invoice("1"), invoice("2"), invoice("3")]) == ["1", "3"]


def test_what_has_no_value_meets_no_condition() -> None:
    bodies = [invoice("1"), invoice("2", DocNumber=None)]
    assert ids("select * from Invoice where DocNumber <= 'z'", bodies) == []


@pytest.mark.parametrize("entity", ["Customer", "Vendor", "Item", "Term", "Account"])
@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("", ["1"]),
        (" where Id in ('1', '2')", ["1"]),
        (" where Active = true", ["1"]),
        (" where Active = false", ["2"]),
        (" where Active in (true, false)", ["1", "2"]),
    ],
)
def test_name_lists_hide_what_is_inactive(entity: str, where: str, found: list[str]) -> None:
    bodies = [{"Id": "1", "Active": True}, {"Id": "2", "Active": False}]
    query = parse(f"select * from {entity}{where}")
    assert [body["Id"] for body in run(query, bodies)] == found
    assert count(query, bodies) == len(found)


def test_transactions_have_no_active_rows() -> None:
    assert ids("select * from Invoice", [invoice("1", Active=False)]) == ["1"]


@pytest.mark.parametrize(("order", "found"), [("", ["2", "10", "9"]), ("desc", ["9", "10", "2"])])
def test_rows_are_ordered_by_number_not_by_digits(order: str, found: list[str]) -> None:
    bodies = [invoice("9", Balance=Decimal(100)), invoice("2", Balance=Decimal(9)), invoice("10", Balance=Decimal(20))]
    assert ids(f"select * from Invoice orderby Balance {order}", bodies) == found
    assert ids("select * from Invoice orderby Id", bodies) == ["2", "9", "10"]


def test_rows_without_a_value_are_ordered_too() -> None:
    bodies = [invoice("1", DueDate="2026-11-01"), invoice("2"), invoice("3", DueDate="2026-10-01")]
    assert ids("select * from Invoice orderby DueDate", bodies) == ["2", "3", "1"]


@given(st.integers(0, 12), st.integers(1, 5))
def test_pages_hold_every_row_once_and_in_order(rows: int, most: int) -> None:
    bodies = [invoice(str(at), TxnDate=f"2026-11-{at % 4 + 1:02}") for at in range(rows)]
    text = "select * from Invoice orderby TxnDate"
    paged: list[str] = []
    while page := ids(f"{text} startposition {len(paged) + 1} maxresults {most}", bodies):
        assert len(page) <= most
        paged += page
    assert paged == ids(text, bodies)


def test_a_count_looks_past_the_page() -> None:
    bodies = [invoice(str(at), Balance=Decimal(at)) for at in range(5)]
    query = parse("select count(*) from Invoice where Balance > '1' startposition 2 maxresults 1")
    assert query.is_count
    assert count(query, bodies) == 3


@pytest.mark.parametrize(
    "where",
    [
        pytest.param("Balance > 'NaN'", id="no number to compare with"),
        pytest.param("Balance = 'sNaN'", id="a signalling one"),
        pytest.param("MetaData.LastUpdatedTime > '0001-01-01T00:00:00+05:00'", id="before time"),
    ],
)
def test_a_value_that_cannot_be_compared_is_a_fault(where: str) -> None:
    bodies = [invoice("1", Balance=Decimal(1), MetaData={"LastUpdatedTime": "2026-11-22T02:00:00-08:00"})]
    with pytest.raises(QuickBooksFault) as refused:
        run(parse(f"select * from Invoice where {where}"), bodies)
    assert refused.value.code == "4001"


def test_a_page_beyond_all_numbers_is_a_fault() -> None:
    assert refusal("select * from Invoice startposition " + "9" * 5000).code in ("4000", "4001")


def test_an_id_is_text() -> None:
    assert ids("select * from Invoice where Id = '12.0'", [invoice("12")]) == []
