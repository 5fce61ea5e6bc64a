"""The query language: SELECT … FROM … WHERE … AND … ORDERBY … STARTPOSITION … MAXRESULTS, and nothing more."""

import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.quickbooks import faults
from sandbox.quickbooks.controls import Shapes

MOST = 1000
PAGE = 100
MOST_DIGITS = 9
COMPARISONS = {"=": operator.eq, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
OPERATORS = (*COMPARISONS, "IN", "LIKE")
RESERVED = (
    "SELECT", "COUNT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "ORDERBY", "ASC", "DESC", "STARTPOSITION",
    "MAXRESULTS",
)  # fmt: skip
NAME_LISTS = frozenset({"Customer", "Vendor", "Item", "Term", "Account", "PaymentMethod"})
_FORM = frozenset({"DocNumber", "TxnDate", "CustomerRef", "TotalAmt"})
_EVERYWHERE = frozenset({"Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime"})
FILTERABLE: Mapping[str, frozenset[str]] = {
    "Customer": frozenset({"DisplayName", "GivenName", "FamilyName", "CompanyName", "Active", "Balance"}),
    "Vendor": frozenset({"DisplayName", "CompanyName", "Active"}),
    "Item": frozenset({"Name", "Type", "Active", "Sku", "UnitPrice"}),
    "Term": frozenset({"Name", "Active"}),
    "Account": frozenset({"Name", "Active", "AccountType"}),
    "PaymentMethod": frozenset({"Name", "Active"}),
    "Estimate": _FORM | {"TxnStatus"},
    "Invoice": _FORM | {"DueDate", "Balance"},
    "CreditMemo": _FORM | {"Balance"},
    "Payment": frozenset({"TxnDate", "CustomerRef", "TotalAmt", "PaymentRefNum"}),
    "RefundReceipt": _FORM | {"PaymentRefNum"},
    "Deposit": frozenset({"TxnDate", "TotalAmt"}),
}
NOT_QUERYABLE = frozenset({"CustomerTypeRef", "ClassRef", "Line", "BillEmail", "PrimaryEmailAddr", "LinkedTxn"})
_NUMBERS = frozenset({"Balance", "TotalAmt", "UnitPrice"})
_INSTANTS = frozenset({"MetaData.CreateTime", "MetaData.LastUpdatedTime"})
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<word>[A-Za-z_][\w.]*)|(?P<number>-?\d+(?:\.\d+)?)"
                    r"|(?P<sign><=|>=|=|<|>|\(|\)|,|\*))")  # fmt: skip


@dataclass(frozen=True)
class Condition:
    property: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    entity: str
    is_count: bool = False
    conditions: tuple[Condition, ...] = ()
    order_by: str | None = None
    is_descending: bool = False
    start: int = 1
    most: int = PAGE


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int
    line: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words

    def is_sign(self, sign: str) -> bool:
        return self.kind == "sign" and self.text == sign


class _Reader:
    """The tokens of a query, one after the other: the first mistake is the one that is told of."""

    def __init__(self, text: str, shapes: Shapes) -> None:
        self.shapes = shapes
        self._tokens = _tokens(text)
        self.next = next(self._tokens)

    def take(self) -> _Token:
        token = self.next
        if token.kind != "end":
            self.next = next(self._tokens)
        return token

    def take_word(self, *words: str) -> bool:
        if not self.next.is_word(*words):
            return False
        self.take()
        return True

    def take_sign(self, sign: str) -> bool:
        if not self.next.is_sign(sign):
            return False
        self.take()
        return True

    def expect(self, word: str) -> None:
        if not self.take_word(word):
            raise self.unexpected()

    def expect_sign(self, sign: str) -> None:
        if not self.take_sign(sign):
            raise self.unexpected()

    def name(self) -> str:
        if self.next.kind != "word" or self.next.is_word(*RESERVED):
            raise self.unexpected()
        return self.take().text

    def unexpected(self) -> faults.QuickBooksFault:
        token = self.next
        kinds = {"word": "<IDENTIFIER>", "text": "<STRING>", "number": "<INTEGER>", "sign": token.text, "end": "<EOF>"}
        return faults.query_parse(f'{kinds[token.kind]} "{token.text}', token.column, token.line)


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            raise faults.query_parse(f'<UNKNOWN> "{text[start]}', *_place(text, start))
        kind = str(match.lastgroup)
        value = match.group(kind)
        plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value
        yield _Token(kind, plain, *_place(text, match.start(kind)))
        position = match.end()
    yield _Token("end", "", *_place(text, end))


def _place(text: str, offset: int) -> tuple[int, int]:
    """Column and line, from 1."""
    return offset - text.rfind("\n", 0, offset), text.count("\n", 0, offset) + 1


def parse(text: str, shapes: Shapes | None = None) -> Query:
    """Raises the 4000 fault for what is no query, the 4001 fault for one that asks for what there is not."""
    reader = _Reader(text, shapes or Shapes())
    reader.expect("SELECT")
    is_count = _read_projection(reader)
    reader.expect("FROM")
    entity = _known_entity(reader.name())
    conditions = _read_conditions(reader, entity)
    order_by, is_descending = _read_order(reader, entity)
    start = _read_number(reader, "STARTPOSITION", 1)
    most = _read_number(reader, "MAXRESULTS", PAGE)
    if reader.next.kind != "end":
        raise reader.unexpected()
    if most > MOST and reader.shapes.query_too_large == "refuse":
        raise faults.query_validation(f"value {most} is too large. Max allowed value is {MOST}")
    return Query(entity, is_count, conditions, order_by, is_descending, max(start, 1), min(most, MOST))


def _read_projection(reader: _Reader) -> bool:
    if reader.take_word("COUNT"):
        for sign in ("(", "*", ")"):
            reader.expect_sign(sign)
        return True
    if not reader.take_sign("*"):
        reader.name()
    # Further names, also behind the star, as clients ask for members that a plain star leaves out.
    while reader.take_sign(","):
        reader.name()
    return False


def _known_entity(name: str) -> str:
    for entity in FILTERABLE:
        if entity.lower() == name.lower():
            return entity
    raise faults.query_validation(f"Entity {name} is not known.")


def _read_conditions(reader: _Reader, entity: str) -> tuple[Condition, ...]:
    if not reader.take_word("WHERE"):
        return ()
    conditions = [_read_condition(reader, entity)]
    while reader.take_word("AND"):
        conditions.append(_read_condition(reader, entity))
    return tuple(conditions)


def _read_condition(reader: _Reader, entity: str) -> Condition:
    name = _known_property(reader.name(), entity)
    sign = reader.next.text.upper()
    if sign not in OPERATORS or reader.next.kind == "text":
        raise reader.unexpected()
    reader.take()
    if name == "Id" and sign not in ("=", "IN"):
        raise faults.query_validation(f"Operator {sign} is not supported for Id")
    if sign != "IN":
        return Condition(name, sign, (_read_value(reader),))
    reader.expect_sign("(")
    values = [_read_value(reader)]
    while reader.take_sign(","):
        values.append(_read_value(reader))
    reader.expect_sign(")")
    return Condition(name, sign, tuple(values))


def _read_value(reader: _Reader) -> str:
    token = reader.next
    is_number = token.kind == "number" and reader.shapes.has_bare_numbers
    if token.kind == "text" or is_number or token.is_word("TRUE", "FALSE"):
        return reader.take().text
    raise reader.unexpected()


def _known_property(name: str, entity: str) -> str:
    for known in (*FILTERABLE[entity], *_EVERYWHERE):
        if known.lower() == name.lower():
            return known
    if name in NOT_QUERYABLE:
        raise faults.query_validation(f"'{name}' is not queryable")
    raise faults.query_validation(f"Property {name} not found for Entity {entity}")


def _read_order(reader: _Reader, entity: str) -> tuple[str | None, bool]:
    if not reader.take_word("ORDERBY"):
        return None, False
    name = _known_property(reader.name(), entity)
    is_descending = reader.take_word("DESC")
    if not is_descending:
        reader.take_word("ASC")
    return name, is_descending


def _read_number(reader: _Reader, word: str, default: int) -> int:
    if not reader.take_word(word):
        return default
    text = reader.next.text
    if reader.next.kind != "number" or not text.isdigit():
        raise reader.unexpected()
    if len(text) > MOST_DIGITS:
        raise faults.query_validation(f"value {text[:MOST_DIGITS]}… is too large. Max allowed value is {MOST}")
    reader.take()
    return int(text)


def run(query: Query, bodies: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The page of entities that the query asks for."""
    found = _matching(query, bodies)
    name = query.order_by
    if name is not None:
        # What has no value comes first, and does not meet a value in a comparison.
        found.sort(key=lambda body: _sort_key(name, body), reverse=query.is_descending)
    return found[query.start - 1 : query.start - 1 + query.most]


def count(query: Query, bodies: Iterable[Mapping[str, Any]]) -> int:
    return len(_matching(query, bodies))


def conditions_of(query: Query) -> tuple[Condition, ...]:
    """All that hold, also the one that lists imply: of what is in use."""
    if query.entity in NAME_LISTS and all(condition.property != "Active" for condition in query.conditions):
        return (*query.conditions, Condition("Active", "=", ("true",)))
    return query.conditions


def _matching(query: Query, bodies: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    conditions = conditions_of(query)
    return [body for body in bodies if all(_holds(condition, body) for condition in conditions)]


def _holds(condition: Condition, body: Mapping[str, Any]) -> bool:
    value = _value(condition.property, body)
    if value is None:
        return False
    if condition.operator == "LIKE":
        pattern = ".*".join(re.escape(part) for part in condition.values[0].split("%"))
        return re.fullmatch(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
    wanted = [comparable(condition.property, text) for text in condition.values]
    if condition.operator == "IN":
        return value in wanted
    first = wanted[0]
    return bool(COMPARISONS[condition.operator](value, first))


def _value(name: str, body: Mapping[str, Any]) -> Any:
    """Comparable: a number, an instant, or text in lower case."""
    found: Any = body
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping):
        found = found.get("value")
    return None if found is None else comparable(name, str(found))


def comparable(name: str, text: str) -> Any:
    """The text as values of this property are compared. Raises the fault of one that is none of its kind."""
    if name in _NUMBERS:
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise faults.query_validation(f"value {text} is no number")
        return amount
    if name in _INSTANTS:
        return instant(text)
    return text.lower()


def instant(text: str) -> datetime:
    """Raises the fault of a value that is no date-time."""
    try:
        at = datetime.fromisoformat(text)
        # One without an offset means the company's zone at the provider; here, always the same: UTC.
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise faults.query_validation(f"value {text} is no date-time") from None


def _sort_key(name: str, body: Mapping[str, Any]) -> tuple[bool, Any]:
    value = int(body["Id"]) if name == "Id" else _value(name, body)
    return (value is not None, value if value is not None else 0)
