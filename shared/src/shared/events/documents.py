"""The documents that other systems read: JSON Schemas and an AsyncAPI description of every event.

`python -m shared.events.documents schemas|asyncapi` prints one. `schemas` refuses (exit 1) where the code breaks what
is committed: within a version only optional members are added; anything else is a new version beside the old one.
"""

import json
import sys
from importlib.resources import files
from typing import Any

from shared.events import CATALOGUE
from shared.events.envelope import Envelope

SCHEMAS_FILE = "schemas.json"
IGNORED = frozenset({"title", "description", "default"})


def schemas() -> dict[str, Any]:
    """Event type → JSON Schema of its `data`."""
    return {name: event.model_json_schema(mode="serialization") for name, event in sorted(CATALOGUE.items())}


def committed() -> dict[str, Any]:
    """The schemas that were published last; empty before the first time."""
    file = files("shared.events") / SCHEMAS_FILE
    return json.loads(file.read_text()) if file.is_file() else {}


def breaking_changes(published: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """Each way in which a consumer of `published` could stumble over `current`, in words."""
    found = []
    for name, schema in published.items():
        if name not in current:
            found.append(f"{name} is gone")
        else:
            found += [f"{name}: {change}" for change in _changes(schema, current[name], schema, current[name], "data")]
    return found


def _changes(old: Any, new: Any, old_root: Any, new_root: Any, where: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{where} changed from {old} to {new}"]
    found: list[str] = []
    if set(old.get("required", [])) - set(new.get("required", [])):
        found.append(f"{where} no longer always holds {set(old['required']) - set(new.get('required', []))}")
    added = set(new.get("required", [])) - set(old.get("required", [])) - set(old.get("properties", {}))
    if added:
        found.append(f"{where} requires the new {sorted(added)}, which events of the past do not hold")
    for key in sorted((set(old) | set(new)) - IGNORED - {"required", "properties", "$defs"}):
        found += _compared(old.get(key), new.get(key), old_root, new_root, f"{where}.{key}")
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            found.append(f"{where}.{name} is gone")
        else:
            found += _changes(schema, new["properties"][name], old_root, new_root, f"{where}.{name}")
    return found


def _compared(old: Any, new: Any, old_root: Any, new_root: Any, where: str) -> list[str]:
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            change
            for one, other in zip(old, new, strict=True)
            for change in _changes(one, other, old_root, new_root, where)
        ]
    return _changes(old, new, old_root, new_root, where)


def _resolved(schema: Any, root: Any) -> Any:
    if isinstance(schema, dict) and "$ref" in schema:
        return root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 description: a channel per event type, on the stream of its publisher."""
    names = {name: name.replace(".", "_") for name in sorted(CATALOGUE)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Attack-a-Crack CRM events",
            "version": "1",
            "description": "CloudEvents 1.0 in structured JSON on NATS JetStream; the subject is the event type.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            key: {"address": name, "messages": {key: {"$ref": f"#/components/messages/{key}"}}}
            for name, key in names.items()
        },
        "operations": {
            f"publish_{key}": {"action": "send", "channel": {"$ref": f"#/channels/{key}"}} for key in names.values()
        },
        "components": {"messages": {key: _message(name, key) for name, key in names.items()}},
    }


def _message(name: str, key: str) -> dict[str, Any]:
    envelope = Envelope.model_json_schema(mode="serialization")
    data = CATALOGUE[name].model_json_schema(
        mode="serialization", ref_template=f"#/components/messages/{key}/payload/properties/data/$defs/{{model}}"
    )
    properties = {**envelope["properties"], "type": {"const": name}, "data": data}
    return {
        "name": name,
        "title": CATALOGUE[name].__name__,
        "summary": (CATALOGUE[name].__doc__ or "").strip().split("\n")[0],
        "contentType": "application/cloudevents+json",
        "payload": {**envelope, "properties": properties},
    }


def main(which: str) -> None:
    """Print the document; leave with the sentences where the code breaks what was published."""
    if which == "schemas":
        changes = breaking_changes(committed(), schemas())
        if changes:
            sys.exit("\n".join(["These events would break their consumers; publish a new version instead:", *changes]))
    document = schemas() if which == "schemas" else asyncapi()
    print(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
