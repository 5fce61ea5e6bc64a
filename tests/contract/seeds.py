"""What exists in each boundary before it is fuzzed, made through its own interface."""

from typing import Any

import httpx

from contract.boundaries import Boundary

FILE = "First Name,Last Name,Phone,City,State,Zip\nAnn,Bell,(617) 555-0143,Boston,MA,02108\n,,,,,\n"
PERSON = {"name": "Somebody", "password": "wooden bridge over cold water"}


def _made(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def contacts(boundary: Boundary) -> dict[str, str]:
    with boundary.client() as api:
        contact = _made(
            api.post(
                "/api/v1/contacts",
                json={"first_name": "Ann", "phones": [{"phone": "+16175550143"}], "tags": ["crack"]},
            )
        )
        listed = _made(api.post("/api/v1/lists", json={"name": "Basements"}))
        _made(api.post(f"/api/v1/lists/{listed['id']}/members", json={"contact_ids": [contact["id"]]}))
        job = _made(api.post("/api/v1/imports", json={"name": "A list", "filename": "a.csv"}))
        _made(api.put(f"/api/v1/imports/{job['id']}/file", content=FILE))
    return {"contact_id": contact["id"], "list_id": listed["id"], "import_id": job["id"], "tag": "crack"}


def campaigns(boundary: Boundary) -> dict[str, str]:
    """A draft, one of whose texts has earned money all the same: see contract.money."""
    with boundary.client() as api:
        _made(api.post("/api/v1/campaigns", json={"name": "Cracks", "message": "Hello {first_name}"}))
        template = _made(api.post("/api/v1/templates", json={"name": "Hello", "message": "Hello {first_name}"}))
        entries = _made(api.get("/api/v1/revenue/entries"))["items"]
        assert len(_made(api.get("/api/v1/revenue"))["currencies"]) == 2
    return {"campaign_id": entries[0]["campaign_id"], "template_id": template["id"]}


def messaging(boundary: Boundary) -> dict[str, str]:
    with boundary.client() as api:
        number = _made(api.get("/api/v1/phone-numbers"))["items"][0]
        message = _made(
            api.post("/api/v1/messages", json={"to": "+16175550143", "body": "Hello", "number_id": number["id"]})
        )
        conversation = _made(api.get("/api/v1/conversations"))["items"][0]
        hold = _made(api.post("/api/v1/sending-holds", json={"scope": "all", "reason": "Being looked at"}))
        opt_out = _made(api.post("/api/v1/opt-outs", json={"phone": "+16175550199", "reason": "By telephone"}))
    return {
        "number_id": number["id"],
        "message_id": message["id"],
        "conversation_id": conversation["id"],
        "hold_id": hold["id"],
        "phone": opt_out["phone"],
    }


def gateway(boundary: Boundary) -> dict[str, str]:
    with boundary.client() as api:
        me, user = (
            _made(api.post("/api/v1/users", json={**PERSON, "email": f"{name}@example.com", "role": role}))
            for name, role in (("root", "admin"), ("ann", "agent"))
        )
        invite = _made(
            api.post("/api/v1/invites", json={"email": "ben@example.com", "name": "Ben", "role": "marketer"})
        )
    return {"me": me["id"], "user_id": user["id"], "invite_id": invite["id"], "service": "contacts"}


def provider(boundary: Boundary) -> dict[str, str]:
    with boundary.client() as api:
        number = _made(api.get("/v1/phone-numbers"))["data"][0]
        user = _made(api.get("/v1/users", params={"maxResults": 10}))["data"][0]
        sent = _made(api.post("/v1/messages", json={"content": "Hello", "from": number["id"], "to": ["+16175550143"]}))[
            "data"
        ]
        conversations = _made(api.get("/v1/conversations", params={"maxResults": 10}))["data"]
    return {
        "phoneNumberId": number["id"],
        "userId": user["id"],
        "conversationId": conversations[0]["id"],
        "callId": "AC0000000000",
        "id": sent["id"],
    }


def sandbox(boundary: Boundary) -> dict[str, str]:
    with boundary.client() as api:
        workspace = _made(api.get("/sandbox/v1/workspace"))
        number = workspace["numbers"][0]["number"]
        _made(api.post("/sandbox/v1/inbound", json={"from": "+16175550143", "to": number, "text": "Hello"}))
        key = _made(api.post("/sandbox/v1/keys", json={"name": "second"}))
    return {"phone": "+16175550143", "name": key["name"]}
