"""docs/events.md: every event, who publishes it, who consumes it. `python -m deploy.events_page` prints it."""

from collections import defaultdict
from importlib import import_module

from shared.bootstrap import PUBLISHERS
from shared.events import CATALOGUE

from deploy.services import SERVICES

HEAD = """# Events

Generated from the code (`make generate`). CloudEvents 1.0 in structured JSON on NATS JetStream; the subject is the
type, the stream is the publisher's name in capitals. Schemas of `data`: [schemas.json](../shared/src/shared/events/schemas.json);
the whole description for tools: [asyncapi.json](asyncapi.json). Consumers ignore unknown members, and tolerate
repeats and reordering.
"""  # noqa: E501 - a link is one word


def consumers() -> dict[str, list[str]]:
    """Event type → the services that consume it."""
    found: dict[str, list[str]] = defaultdict(list)
    for service in SERVICES:
        for consumption in import_module(f"{service.name}.spec").SPEC.consumes:
            found[consumption.event.type].append(service.name)
    return found


def page() -> str:
    consumed, lines = consumers(), [HEAD]
    for publisher in PUBLISHERS:
        names = [name for name in sorted(CATALOGUE) if name.startswith(f"{publisher}.")]
        if not names:
            continue
        lines += [f"## {publisher}", "", "| type | says | consumed by |", "|---|---|---|"]
        for name in names:
            says = _first_sentence(CATALOGUE[name].__doc__ or "")
            lines.append(f"| `{name}` | {says} | {', '.join(consumed[name]) or 'other systems'} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")


if __name__ == "__main__":
    print(page())
