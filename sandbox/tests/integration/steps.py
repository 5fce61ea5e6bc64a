"""Steps that several tests take."""

from typing import Any

import httpx

NUMBER = "+18575550110"
OTHER_NUMBER = "+18575550111"
NUMBER_ID = "PN4e2b9d10"
ANA = "+16175550143"
DATED = {"Quo-Api-Version": "2026-03-30"}
QUICK = {"life": {"sent_after_seconds": 0, "final_after_seconds": [0, 0]}}
"""Texts are delivered at once."""


async def send(
    provider: httpx.AsyncClient, to: str = ANA, content: str = "Hi Ana, your quote is ready.", **more: Any
) -> httpx.Response:
    body = {"content": content, "from": NUMBER, "to": [to], **more}
    return await provider.post("/v1/messages", json=body)


async def turn(control: httpx.AsyncClient, **changes: Any) -> None:
    (await control.patch("/sandbox/v1/controls", json=changes)).raise_for_status()


async def text_us(control: httpx.AsyncClient, text: str, sender: str = ANA, **more: Any) -> dict[str, Any]:
    body = {"from": sender, "to": NUMBER, "text": text, **more}
    answer = await control.post("/sandbox/v1/inbound", json=body)
    answer.raise_for_status()
    return answer.json()


async def ledger(control: httpx.AsyncClient, **filters: Any) -> list[dict[str, Any]]:
    answer = await control.get("/sandbox/v1/ledger", params={"limit": 200, **filters})
    answer.raise_for_status()
    return answer.json()["items"]


async def subscribe(
    provider: httpx.AsyncClient, url: str, events: tuple[str, ...] = ("message.received", "message.delivered")
) -> dict[str, Any]:
    """A legacy webhook."""
    answer = await provider.post("/v1/webhooks/messages", json={"url": url, "events": list(events)})
    answer.raise_for_status()
    return answer.json()["data"]


async def subscribe_dated(
    provider: httpx.AsyncClient,
    url: str,
    events: tuple[str, ...] = ("message.received", "message.delivered", "message.failed", "message.undelivered"),
) -> dict[str, Any]:
    answer = await provider.post("/webhooks", headers=DATED, json={"url": url, "events": list(events)})
    answer.raise_for_status()
    return answer.json()["data"]


async def find_messages(provider: httpx.AsyncClient, participant: str = ANA, **more: Any) -> dict[str, Any]:
    params = {"phoneNumberId": NUMBER_ID, "participants": [participant], "maxResults": 100, **more}
    answer = await provider.get("/v1/messages", params=params)
    answer.raise_for_status()
    return answer.json()
