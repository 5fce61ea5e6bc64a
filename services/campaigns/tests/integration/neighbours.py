"""Contacts and messaging at their HTTP boundary, as far as this service asks them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


class Neighbours:
    """Lists of people and what is known of their phones; `before_states` may break off a build after some chunks."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.phone_states: dict[str, dict[str, Any]] = {}
        self.before_states: Callable[[list[str]], Awaitable[None] | None] = lambda _: None
        self.snapshots = 0
        self.app = Starlette(
            routes=[
                Route("/internal/v1/audience", self._audience),
                Route("/internal/v1/phone-states", self._states, methods=["POST"]),
            ]
        )

    def add_list(self, people: list[dict[str, Any]]) -> str:
        list_id = str(uuid4())
        self.lists[list_id] = people
        return list_id

    async def _audience(self, request: Request) -> Response:
        wanted = request.query_params.getlist("lists")
        if any(list_id not in self.lists for list_id in wanted):
            return JSONResponse({"detail": "There is no such list."}, 404, media_type="application/problem+json")
        self.snapshots += 1
        excluded = {
            person["contact_id"]
            for list_id in request.query_params.getlist("exclude_lists")
            for person in self.lists[list_id]
        }
        people = {p["contact_id"]: p for list_id in wanted for p in self.lists[list_id]}
        chosen = [person for contact_id, person in people.items() if contact_id not in excluded]

        async def rows() -> AsyncIterator[str]:
            for person in chosen:
                yield json.dumps(person, ensure_ascii=False) + "\n"

        return StreamingResponse(rows(), media_type="application/x-ndjson")

    async def _states(self, request: Request) -> Response:
        asked = (await request.json())["phones"]
        if (waiting := self.before_states(asked)) is not None:
            await waiting
        return JSONResponse({"items": [{"phone": p, **self.phone_states[p]} for p in asked if p in self.phone_states]})


def person(n: int, **changes: Any) -> dict[str, Any]:
    """Somebody in upstate New York, which has the federal hours."""
    phone = changes.pop("phone", f"+1518555{n:04d}")
    return {
        "contact_id": str(UUID(int=0xC0FFEE0000 + n)),
        "version": 1,
        "first_name": f"Ann{n}",
        "last_name": "Bell",
        "phones": [{"e164": phone, "line_type": "mobile", "is_primary": True}] if phone else [],
        "address": f"{n} Elm St",
        "city": "Albany",
        "state": "NY",
        "zip": "12203",
        **changes,
    }
