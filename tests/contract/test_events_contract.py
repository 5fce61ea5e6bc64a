"""The events: what streams hold stays readable, and everybody publishes and consumes only what was agreed."""

import ast
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest
from shared.consuming import read_envelope
from shared.events import CATALOGUE, Event
from shared.events.documents import committed

from contract.boundaries import ROOT, SPECS
from contract.event_corpus import CORPUS, path_of

TYPES = sorted(CATALOGUE)
CONSUMERS = [name for name, spec in SPECS.items() if spec.consumes]
PUBLISHERS = ("contacts", "campaigns", "messaging", "billing")


def test_every_event_type_has_its_golden_message_and_none_was_dropped() -> None:
    assert sorted(path.stem for path in CORPUS.glob("*.json")) == TYPES


@pytest.mark.parametrize("event_type", TYPES)
def test_a_golden_message_keeps_to_the_published_schema(event_type: str) -> None:
    message = json.loads(path_of(event_type).read_text())
    jsonschema_rs.validator_for(committed()[event_type], validate_formats=True).validate(message["data"])


@pytest.mark.parametrize("event_type", TYPES)
def test_a_golden_message_is_read_by_todays_classes(event_type: str) -> None:
    raw = path_of(event_type).read_bytes()
    envelope = read_envelope(raw)
    event = CATALOGUE[event_type].model_validate(envelope.data)
    assert (envelope.type, envelope.subject) == (event_type, event.subject_id)
    assert envelope.source == f"/crm/{event_type.partition('.')[0]}"
    # Nothing that was said is lost on the way through the class; what was added since then, in items too, is unset.
    assert event.model_dump(mode="json", exclude_unset=True) == envelope.data


@pytest.mark.parametrize("event_type", TYPES)
def test_what_a_schema_requires_no_class_can_do_without(event_type: str) -> None:
    message = json.loads(path_of(event_type).read_text())
    validator = jsonschema_rs.validator_for(committed()[event_type])
    for member in committed()[event_type].get("required", []):
        rest = {name: value for name, value in message["data"].items() if name != member}
        assert not validator.is_valid(rest), member


@pytest.mark.parametrize("service", CONSUMERS)
def test_a_service_consumes_only_what_another_publishes(service: str) -> None:
    for consumption in SPECS[service].consumes:
        assert CATALOGUE[consumption.event.type] is consumption.event
        assert consumption.event.type.partition(".")[0] != service, "a service knows what it did itself"
        assert callable(getattr(consumption.service, consumption.method))


@pytest.mark.parametrize("service", CONSUMERS)
def test_a_service_consumes_each_event_in_one_place(service: str) -> None:
    types = [consumption.event.type for consumption in SPECS[service].consumes]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("service", PUBLISHERS)
def test_a_service_makes_only_events_of_its_own(service: str) -> None:
    made = set(events_made(service))
    assert made, "the search has found no event at all"
    assert {event.type for event in made if event.type.partition(".")[0] != service} == set()


@pytest.mark.parametrize("service", ["gateway", "sandbox"])
def test_these_publish_nothing(service: str) -> None:
    assert set(events_made(service)) == set()


def events_made(service: str) -> Iterator[type[Event]]:
    """Every event class that the service's code calls, and those in tables of modules that publish."""
    root = ROOT / service / "src" if (ROOT / service / "src").exists() else ROOT / "services" / service / "src"
    for path in sorted((root / service).rglob("*.py")):
        text = path.read_text()
        if "shared.events" not in text or "migrations" in path.parts:
            continue
        module = importlib.import_module(_module_name(path, root))
        yield from filter(None, (_called_event(node, module) for node in ast.walk(ast.parse(text))))
        if ".publish(" in text:
            tables = [value for value in vars(module).values() if isinstance(value, dict)]
            yield from (event for table in tables for event in table.values() if _is_event(event))


def _module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _called_event(node: ast.AST, module: ModuleType) -> type[Event] | None:
    if not isinstance(node, ast.Call):
        return None
    name = ast.unparse(node.func).removesuffix(".model_construct")
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return value if _is_event(value) else None


def _is_event(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Event) and "type" in vars(value)
