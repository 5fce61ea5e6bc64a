"""One message of every event type as it travels: `python -m contract.event_corpus` (in tests/) adds what is missing.

A file that is there is never written again: it stands for what streams hold, and must stay readable.
"""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from polyfactory.factories.pydantic_factory import ModelFactory
from shared.events import CATALOGUE, Envelope, Event
from shared.ids import derived

CORPUS = Path(__file__).parent / "fixtures" / "events"
SEED = 20261124
_NAMESPACE = UUID("5b0d7a54-1f0e-5d0c-9a55-2b1f6a1c7e11")


def path_of(event_type: str) -> Path:
    return CORPUS / f"{event_type}.json"


def message_of(event_type: str) -> dict[str, Any]:
    """An envelope with made-up data, every optional member there."""
    factory = ModelFactory.create_factory(CATALOGUE[event_type], __random_seed__=SEED, __allow_none_optionals__=False)
    event: Event = factory.build()
    envelope = Envelope(
        id=derived(_NAMESPACE, event_type),
        type=event_type,
        source=f"/crm/{event_type.partition('.')[0]}",
        subject=event.subject_id,
        time="2026-11-24T12:00:00Z",
        dataschema=f"/schemas/{event_type}.json",
        data=event.model_dump(mode="json"),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        causationid=str(derived(_NAMESPACE, event_type, "cause")),
        aggregateversion=event.aggregate_version,
    )
    message: dict[str, Any] = envelope.model_dump(mode="json", exclude_none=True)
    return message


def add_missing() -> None:
    CORPUS.mkdir(parents=True, exist_ok=True)
    for event_type in CATALOGUE:
        if not path_of(event_type).exists():
            text = json.dumps(message_of(event_type), indent=2, sort_keys=True, ensure_ascii=False)
            path_of(event_type).write_text(text + "\n")


if __name__ == "__main__":
    add_missing()
