"""What exists in each boundary before it is fuzzed, made through its own interface."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from shared.clock import wall_now
from shared.events.contacts import AddressItem, ContactChanged, ContactItem, PhoneItem, PropertyChanged, PropertyItem

from contract.boundaries import Boundary
from contract.desk import Desk

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


ANA, BEN = UUID("3f0c1c3e-7b0a-7000-8000-000000000001"), UUID("3f0c1c3e-7b0a-7000-8000-000000000002")
HOUSE = UUID("3f0c1c3e-7b0a-7000-8000-000000000003")
ADDRESS = AddressItem(street="1 Elm St", city="Boston", state="MA", zip="02108")
PEOPLE = ContactChanged(
    contacts=[
        ContactItem(
            contact_id=ANA,
            version=1,
            first_name="Ana",
            last_name="Lima",
            phones=[PhoneItem(e164="+16175550143")],
            emails=["ana@example.com"],
            address=ADDRESS,
        ),
        ContactItem(
            contact_id=BEN, version=1, first_name="Ben", last_name="Ode", phones=[PhoneItem(e164="+16175550144")]
        ),
    ]
)
HOUSES = PropertyChanged(properties=[PropertyItem(property_id=HOUSE, version=1, address=ADDRESS)])


def billing(boundary: Boundary, desk: Desk) -> dict[str, str | tuple[str, ...]]:
    """Connected, its books read and written: forms in several states, a payment, a doubt, a write that failed."""
    desk.learn(PEOPLE, HOUSES)
    with boundary.client() as api:
        _made(desk.connect(api))
        desk.settle()
        found = _work(api) | _sales(api, desk)
        # Ben's number under another name: somebody has to say whether they are the same.
        desk.write("Customer", DisplayName="Carla Diaz", PrimaryPhone={"FreeFormNumber": "(617) 555-0144"})
        api.post("/api/v1/quickbooks/sync").raise_for_status()
        desk.settle()
        matches = _made(api.get("/api/v1/customers/matches"))["items"]
        payments = _made(api.get("/api/v1/payments"))["items"]
        writes = _made(api.get("/api/v1/quickbooks/writes", params={"state": "failed"}))["items"]
    return found | {"match_id": matches[0]["id"], "payment_id": payments[0]["id"], "push_id": writes[0]["id"]}


def _work(api: httpx.Client) -> dict[str, str | tuple[str, ...]]:
    job = _made(api.post("/api/v1/jobs", json={"title": "Cracks", "contact_id": str(ANA), "property_id": str(HOUSE)}))
    begins = (wall_now() + timedelta(days=3)).isoformat()
    wanted = {"kind": "inspection", "starts_at": begins, "minutes": 60}
    visit = _made(api.post(f"/api/v1/jobs/{job['id']}/visits", json=wanted))
    # One that is read, and one that may be revoked.
    read, revoked = (_made(api.post("/api/v1/calendars", json={"name": name})) for name in ("Crew", "Office"))
    return {
        "job_id": job["id"],
        "visit_id": visit["id"],
        "calendar_id": revoked["id"],
        "/public/calendars/{token}.ics": _token(read["url"]).removesuffix(".ics"),
    }


def _sales(api: httpx.Client, desk: Desk) -> dict[str, str | tuple[str, ...]]:
    item = next(one for one in _made(api.get("/api/v1/items"))["items"] if float(one["unit_price"] or 0))
    wanted = {"contact_id": str(ANA), "lines": [{"item_id": item["id"], "quantity": "2"}]}
    draft, shown, sold, failed = (_made(api.post("/api/v1/estimates", json=wanted))["id"] for _ in range(4))
    for estimate in (shown, sold):
        _made(api.post(f"/api/v1/estimates/{estimate}/push"))
    desk.settle()
    _made(api.post(f"/api/v1/estimates/{sold}/accept", json={"name": "Ana Lima"}))
    deposit = {"estimate_id": sold, "part": "deposit", "share": "0.5"}
    invoice = _made(api.post("/api/v1/invoices", json=deposit))["id"]
    desk.settle()
    paid = _made(api.get(f"/api/v1/invoices/{invoice}"))
    customer = _made(api.get(f"/api/v1/customers/{paid['customer']['id']}"))
    desk.people_do("payments", customer_id=customer["qb_id"], amount="10.00", invoice_id=paid["qb_id"])
    _fail_to_write(api, desk, failed)
    public = _made(api.get(f"/api/v1/estimates/{shown}"))["public_url"]
    return {
        "contact_id": (str(ANA), str(BEN)),
        "item_id": item["id"],
        "customer_id": customer["id"],
        "estimate_id": (draft, shown, sold),
        "invoice_id": invoice,
        "token": _token(public),
    }


def _fail_to_write(api: httpx.Client, desk: Desk, estimate: str) -> None:
    """The period was closed in QuickBooks since we last looked."""
    desk.close_books("2100-01-01")
    _made(api.post(f"/api/v1/estimates/{estimate}/push"))
    desk.settle()
    desk.close_books(None)


def _token(address: str) -> str:
    return address.rpartition("/")[2]


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
