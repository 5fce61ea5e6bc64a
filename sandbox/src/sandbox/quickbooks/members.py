"""The members that an entity may have, and what each may hold, as the description of QuickBooks' API says."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from sandbox.quickbooks import faults

URN = "urn:quickbooks"
NUMBERS = frozenset(
    {"Amount", "Deposit", "DiscountAmt", "DiscountPercent", "DiscountRate", "ExchangeRate", "PurchaseCost", "Qty",
     "QtyOnHand", "TaxInclusiveAmt", "TotalAmt", "TotalTax", "UnitPrice"}
)  # fmt: skip
MOST_DEPTH = 20
"""Nothing that is described nests so deeply."""


@lru_cache(maxsize=1)
def _description() -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(files("sandbox").joinpath("quickbooks_openapi.json").read_bytes())
    return document


@lru_cache
def _validator(kind: str) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(URN, DRAFT202012.create_resource(_description()))
    return Draft202012Validator({"$ref": f"{URN}#/components/schemas/{kind}"}, registry=registry)


def check_members(kind: str, given: Mapping[str, Any]) -> None:
    """Raises the fault of a member that there is not, or that holds what it may not."""
    described = _description()["components"]["schemas"][kind]["properties"]
    for name in given:
        if name not in described:
            raise faults.unsupported_property(name)
        if _is_deeper(given[name], MOST_DEPTH):
            raise faults.unsupported_property(name)
    for error in _validator(kind).iter_errors(given):
        raise _fault(error)


def with_numbers(value: Any) -> Any:
    """The checked document with numbers where common clients write the text of one."""
    if isinstance(value, dict):
        return {
            name: _number(name, part) if name in NUMBERS and isinstance(part, str) else with_numbers(part)
            for name, part in value.items()
        }
    return [with_numbers(part) for part in value] if isinstance(value, list) else value


def _number(name: str, text: str) -> Decimal | None:
    """Of a member that is only shown, the description says nothing of what may be given."""
    if not text:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise faults.unsupported_property(name) from None
    if not found.is_finite():
        raise faults.unsupported_property(name)
    return found


def _is_deeper(value: Any, most: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most == 0 or any(_is_deeper(part, most - 1) for part in parts)


def _fault(error: ValidationError) -> faults.QuickBooksFault:
    name = next((part for part in reversed(error.absolute_path) if isinstance(part, str)), "")
    if error.validator == "maxLength":
        return faults.too_long(error.validator_value, len(error.instance))
    if error.validator == "enum":
        return faults.invalid_enumeration(name)
    return faults.unsupported_property(name)
