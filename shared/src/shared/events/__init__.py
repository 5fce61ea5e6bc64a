"""The published language: every event class of every publisher, by its type. Imports only pydantic."""

from shared.events import billing, campaigns, contacts, messaging
from shared.events.envelope import Envelope, Event

CATALOGUE: dict[str, type[Event]] = {
    event.type: event
    for module in (contacts, campaigns, messaging, billing)
    for event in vars(module).values()
    if isinstance(event, type) and issubclass(event, Event) and "type" in vars(event)
}

__all__ = ["CATALOGUE", "Envelope", "Event"]
