"""The published language keeps its promises."""

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polyfactory.factories.pydantic_factory import ModelFactory
from shared.events import CATALOGUE, Envelope, Event
from shared.events.documents import asyncapi, breaking_changes, committed, schemas

PUBLISHED = schemas()
TYPES = sorted(CATALOGUE)


@pytest.mark.parametrize("name", TYPES)
def test_types_are_named_service_noun_participle_version(name: str) -> None:
    assert re.fullmatch(r"(contacts|campaigns|messaging|billing)\.[a-z_]+\.[a-z_]+\.v\d+", name)


@pytest.mark.parametrize("name", TYPES)
def test_an_event_survives_its_journey_and_unknown_members_are_ignored(name: str) -> None:
    event: Event = ModelFactory.create_factory(CATALOGUE[name], __random_seed__=7).build()
    wire = json.loads(event.model_dump_json())
    assert CATALOGUE[name].model_validate({**wire, "a_later_addition": 1}) == CATALOGUE[name].model_validate(wire)
    assert isinstance(event.subject_id, str)


@pytest.mark.parametrize("name", TYPES)
def test_every_event_says_what_it_is_about(name: str) -> None:
    about = CATALOGUE[name].about
    assert about == "" or about in CATALOGUE[name].model_fields


def test_the_code_breaks_nothing_that_is_published() -> None:
    assert breaking_changes(committed(), schemas()) == []


def test_a_removed_event_is_a_breaking_change() -> None:
    published = schemas()
    current = dict(list(published.items())[1:])
    assert breaking_changes(published, current) == [f"{TYPES[0]} is gone"]


@given(st.sampled_from(TYPES), st.data())
def test_removing_or_retyping_any_member_is_a_breaking_change(name: str, data: st.DataObject) -> None:
    member = data.draw(st.sampled_from(sorted(PUBLISHED[name]["properties"])))
    for change in ("remove", "retype"):
        changed = copy.deepcopy(PUBLISHED[name])
        properties: dict[str, Any] = changed["properties"]
        if change == "remove":
            del properties[member]
        else:
            properties[member] = {"type": "boolean", "const": True}
        assert breaking_changes(PUBLISHED, {**PUBLISHED, name: changed})


def test_an_added_optional_member_is_none_but_a_required_one_is() -> None:
    published, current = schemas(), schemas()
    current[TYPES[0]]["properties"]["more"] = {"type": "string"}
    assert breaking_changes(published, current) == []
    current[TYPES[0]]["required"].append("more")
    assert breaking_changes(published, current)


def test_the_asyncapi_document_has_a_channel_for_each_event() -> None:
    document = asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == set(TYPES)


def test_an_envelope_writes_instants_in_utc_with_milliseconds() -> None:
    envelope = Envelope.model_validate_json(
        '{"id":"0193a1b2-7c4d-7e8f-9a0b-1c2d3e4f5a6b","type":"t","source":"/s","time":"2026-01-02T03:04:05.6789+02:00","data":{}}'
    )
    assert json.loads(envelope.model_dump_json())["time"] == "2026-01-02T01:04:05.678Z"
