"""What billing sends to QuickBooks and understands of it, under every answer to what nobody outside knows for sure."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
import svcs
from billing.models import Customer, Invoice, OAuthToken
from billing.provider import RepeatedRequest, Seen
from billing.registry import OpenedBooks
from billing.services import pulling
from billing.services.tokens import TokenKeeper
from billing.states import PushState
from shared.ids import uuid7

from contract.boundaries import Boundary
from contract.conftest import KeepBooks
from contract.desk import Desk
from contract.seeds import ANA, PEOPLE
from shared import failpoints

REALM = "9130350000000005"
LOST_ANSWERS = ("reset_after_commit", "error_after_commit", "truncated_after_commit")
NO_WEBHOOKS = {"webhook_url": ""}


@pytest.fixture(scope="session")
def books(keep_books: KeepBooks, turned_quickbooks: Boundary) -> Iterator[tuple[Boundary, Desk]]:
    with keep_books(turned_quickbooks, REALM) as (boundary, desk):
        desk.learn(PEOPLE)
        desk.turn(webhook_url=f"{boundary.url}/webhooks/quickbooks")
        with boundary.client() as api:
            desk.connect(api).raise_for_status()
        desk.settle()
        yield boundary, desk


@pytest.fixture
def desk(books: tuple[Boundary, Desk]) -> Desk:
    return books[1]


@pytest.fixture
def api(books: tuple[Boundary, Desk]) -> Iterator[httpx.Client]:
    with books[0].client() as api:
        yield api


def _get(api: httpx.Client, path: str, **params: Any) -> dict[str, Any]:
    answer = api.get(f"/api/v1/{path}", params=params)
    assert answer.is_success, answer.text
    return dict(answer.json())


def _post(api: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"/api/v1/{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json()) if answer.content else {}


def _status(api: httpx.Client) -> str:
    return str(_get(api, "quickbooks/connection")["status"])


def _sync(api: httpx.Client, desk: Desk) -> None:
    """Read what changed, as every hour."""
    _post(api, "quickbooks/sync")
    desk.settle()


def _named(desk: Desk, name: str) -> dict[str, Any]:
    """A customer that somebody types into QuickBooks; names are used once there."""
    return desk.write("Customer", DisplayName=f"{name} {uuid7()}")


def _billed(desk: Desk, customer: dict[str, Any], kind: str = "Invoice") -> dict[str, Any]:
    detail = {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}}
    line = {"DetailType": "SalesItemLineDetail", "Amount": 500, "SalesItemLineDetail": detail}
    return desk.write(kind, CustomerRef={"value": customer["Id"]}, Line=[line])


def _deactivate(desk: Desk, customer: dict[str, Any]) -> None:
    now = desk.read("Customer", customer["Id"])
    desk.write("Customer", Id=now["Id"], SyncToken=now["SyncToken"], sparse=True, Active=False)


def _customer(desk: Desk, theirs: dict[str, Any]) -> Customer:
    (row,) = desk.rows(Customer, Customer.qb_id == theirs["Id"])
    return row


def _invoice(desk: Desk, theirs: dict[str, Any]) -> Invoice:
    (row,) = desk.rows(Invoice, Invoice.qb_id == theirs["Id"])
    return row


def _draft(api: httpx.Client) -> str:
    items = _get(api, "items")["items"]
    item = next(one for one in items if one["unit_price"] not in (None, "0"))
    return str(_post(api, "estimates", contact_id=str(ANA), lines=[{"item_id": item["id"], "quantity": "2"}])["id"])


def _written(api: httpx.Client, desk: Desk) -> dict[str, Any]:
    """An estimate that is in QuickBooks."""
    estimate = _draft(api)
    _post(api, f"estimates/{estimate}/push")
    desk.settle()
    return _get(api, f"estimates/{estimate}")


# Connecting and staying connected


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_secret_is_not_taken_for_a_consent_that_ended(desk: Desk, api: httpx.Client, status: int) -> None:
    desk.people_do("expire-access")
    _post(api, "quickbooks/sync")
    with (
        desk.turned(tokens={"invalid_client_status": status}),
        desk.configured(quickbooks_client_secret="wrong") as other,
    ):
        other.work()
    health = _get(api, "quickbooks/connection")
    assert health["status"] == "connected"
    assert "CRM_QUICKBOOKS_CLIENT_ID" in health["last_error"]
    _sync(api, desk)
    assert all(mark["error"] is None for mark in _get(api, "quickbooks/connection")["sync"])


def _token(desk: Desk, rejected: str | None = None) -> Any:
    async def ask(container: svcs.Container) -> str:
        return await (await container.aget(TokenKeeper)).token(desk.realm_id, rejected)

    return ask


@pytest.mark.parametrize("after", ["refuse", "revoke_all", "grace"])
def test_processes_that_need_a_new_token_at_once_refresh_it_once(desk: Desk, api: httpx.Client, after: str) -> None:
    old = desk.within(_token(desk))
    (before,) = desk.rows(OAuthToken)
    with desk.turned(tokens={"after_rotation": after, "rotation_seconds": 0}):
        desk.people_do("expire-access")
        tokens = set(desk.at_once(_token(desk, old), processes=4))
        (now,) = desk.rows(OAuthToken)
        assert (len(tokens), old in tokens, now.refreshes - before.refreshes) == (1, False, 1)
        _sync(api, desk)
    assert _status(api) == "connected"


@pytest.mark.parametrize(
    ("after", "status"), [("refuse", "needs_reconnect"), ("revoke_all", "needs_reconnect"), ("grace", "connected")]
)
def test_a_refresh_that_was_lost_ends_the_consent_or_not_and_a_new_one_mends_it(
    desk: Desk, api: httpx.Client, after: str, status: str
) -> None:
    old = desk.within(_token(desk))
    with desk.turned(tokens={"after_rotation": after, "rotation_seconds": 0}):
        desk.people_do("expire-access")
        failpoints.configure("refresh.after_answer=raise")
        with pytest.raises(failpoints.FailpointError):
            desk.within(_token(desk, old))
        failpoints.configure("")
        _sync(api, desk)
        assert _status(api) == status
        desk.connect(api).raise_for_status()
        desk.settle()
    assert _status(api) == "connected"


# Reading


@pytest.mark.parametrize("has_suffix", [True, False])
def test_the_first_pull_reads_whoever_was_made_inactive(
    keep_books: KeepBooks, turned_quickbooks: Boundary, has_suffix: bool
) -> None:
    with keep_books(turned_quickbooks, f"913035000000001{int(has_suffix)}") as (boundary, desk):
        with desk.turned(shapes={"has_deleted_suffix": has_suffix}), boundary.client() as api:
            gone = _named(desk, "Ana Lima")
            _deactivate(desk, gone)
            desk.connect(api).raise_for_status()
            desk.settle()
            row = _customer(desk, gone)
        assert (row.is_active, row.display_name.endswith(" (deleted)")) == (False, has_suffix)


@pytest.mark.parametrize("is_told", [True, False])
def test_whoever_is_made_inactive_while_webhooks_are_lost_is_noticed(
    desk: Desk, api: httpx.Client, is_told: bool
) -> None:
    customer = _named(desk, "Inactive")
    desk.settle()
    with desk.turned(shapes={"has_inactive_in_cdc": is_told}, **NO_WEBHOOKS):
        _deactivate(desk, customer)
        _sync(api, desk)
        # Where the changes leave it out, the comparison of the night does not.
        assert _customer(desk, customer).is_active is not is_told
        _post(api, "quickbooks/differences")
        desk.settle()
    assert not _customer(desk, customer).is_active


@pytest.mark.parametrize("most", [2, 1000])
def test_changes_that_are_cut_short_are_read_to_the_end(
    desk: Desk, api: httpx.Client, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "CDC_MOST", most)
    customer = _named(desk, "Before")
    deleted, cancelled = _billed(desk, customer), _billed(desk, customer, "Estimate")
    desk.settle()
    with desk.turned(shapes={"cdc_most": most}, **NO_WEBHOOKS):
        # One deletion of a kind, as its own changes tell; of further ones below.
        desk.people_do(f"estimate/{cancelled['Id']}/delete")
        customers = [_named(desk, "After") for _ in range(3)]
        payments = [desk.people_do("payments", customer_id=customer["Id"], amount="5.00") for _ in range(3)]
        desk.people_do(f"invoice/{deleted['Id']}/delete")
        _sync(api, desk)
    known = {row.qb_id for row in desk.rows(Customer)}
    assert {one["Id"] for one in customers} <= known
    found = _get(api, "payments", customer_id=_customer(desk, customer).id)["items"]
    assert {one["qb_id"] for one in found} == {one["id"] for one in payments}
    assert _invoice(desk, deleted).is_deleted
    assert _get(api, "estimates", customer_id=_customer(desk, customer).id)["items"][0]["status"] == "deleted"


@pytest.mark.parametrize("most", [2, 1000])
def test_deletions_beyond_what_changes_tell_are_found_at_night(
    desk: Desk, api: httpx.Client, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "CDC_MOST", most)
    customer = _named(desk, "Deleted")
    invoices = [_billed(desk, customer) for _ in range(4)]
    desk.settle()
    with desk.turned(shapes={"cdc_most": most}, **NO_WEBHOOKS):
        for invoice in invoices:
            desk.people_do(f"invoice/{invoice['Id']}/delete")
        _sync(api, desk)
        _post(api, "quickbooks/differences")
        desk.settle()
    assert [_invoice(desk, invoice).is_deleted for invoice in invoices] == [True] * 4


SHAPES = (
    {"event_format": "cloudevents", "merged_key": "deletedId"},
    {"event_format": "cloudevents", "merged_key": "deletedid"},
    {"event_format": "old"},
)


@pytest.mark.parametrize("shapes", SHAPES, ids=lambda shapes: "-".join(shapes.values()))
def test_a_change_is_mirrored_however_it_is_told(desk: Desk, api: httpx.Client, shapes: dict[str, str]) -> None:
    with desk.turned(shapes=shapes):
        kept, gone = _named(desk, "Kept"), _named(desk, "Gone")
        paid, deleted = _billed(desk, gone), _billed(desk, gone)
        desk.settle()
        assert _invoice(desk, paid).customer_id == _customer(desk, gone).id
        desk.people_do("payments", customer_id=gone["Id"], amount="500.00", invoice_id=paid["Id"])
        desk.people_do(f"invoice/{deleted['Id']}/delete")
        desk.settle()
        assert (_invoice(desk, paid).balance_cents, _invoice(desk, deleted).is_deleted) == (0, True)
        desk.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
        desk.settle()
    survivor = _customer(desk, kept)
    assert (_customer(desk, gone).merged_into_id, _invoice(desk, paid).customer_id) == (survivor.id, survivor.id)


# Writing


REMEMBERED = ({"differing_body": "replay"}, {"differing_body": "refuse"}, {"retention_seconds": 0})


@pytest.mark.parametrize("lost", LOST_ANSWERS)
@pytest.mark.parametrize("remembered", REMEMBERED, ids=lambda one: "-".join(map(str, one.values())))
def test_a_write_whose_answer_was_lost_takes_effect_once(
    desk: Desk, api: httpx.Client, remembered: dict[str, Any], lost: str
) -> None:
    with desk.turned(requests=remembered, calls={"chosen": {"create estimate": [lost]}}):
        estimate = _written(api, desk)
    assert (estimate["status"], estimate["writes"]) == ("open", [])
    assert [line["entity_id"] for line in desk.ledger("Estimate") if line["doc_number"] == estimate["number"]] == [
        estimate["qb_id"]
    ]


@pytest.mark.parametrize("differing", ["replay", "refuse"])
def test_a_request_id_with_other_words_is_told_again_or_refused(desk: Desk, differing: str) -> None:
    request_id, names = str(uuid7()), [f"Twice {uuid7()}" for _ in range(2)]

    async def write(container: svcs.Container) -> list[Seen]:
        books = (await container.aget(OpenedBooks))(desk.realm_id)
        bodies = [orjson.dumps({"DisplayName": name}).decode() for name in names]
        return [await books.write("Customer", body, request_id=request_id) for body in bodies]

    with desk.turned(requests={"differing_body": differing}):
        if differing == "refuse":
            with pytest.raises(RepeatedRequest):
                desk.within(write)
        else:
            first, second = desk.within(write)
            assert (first.id, first.display_name) == (second.id, names[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("has_suffix", [True, False])
def test_the_name_of_somebody_inactive_is_free_or_gets_a_suffix(
    desk: Desk, api: httpx.Client, has_suffix: bool
) -> None:
    with desk.turned(shapes={"has_deleted_suffix": has_suffix}):
        gone = desk.write("Customer", DisplayName=f"Zoe Ames {int(has_suffix)}")
        _deactivate(desk, gone)
        desk.settle()
        own = _named(desk, "Renamed")
        desk.settle()
        row = _customer(desk, own)
        answer = api.patch(
            f"/api/v1/customers/{row.id}",
            json={"display_name": gone["DisplayName"]},
            headers={"If-Match": f'"{row.version}"'},
        )
        assert answer.is_success, answer.text
        desk.settle()
    states = {write["state"] for write in _get(api, f"customers/{row.id}")["writes"]}
    assert states == (set() if has_suffix else {PushState.FAILED})


@pytest.mark.parametrize("status", ["Closed", "Converted"])
def test_an_estimate_that_is_invoiced_in_full_is_closed(desk: Desk, api: httpx.Client, status: str) -> None:
    with desk.turned(shapes={"linked_estimate": status}):
        estimate = _written(api, desk)
        _post(api, f"estimates/{estimate['id']}/accept", name="Ana Lima")
        invoice = _post(api, "invoices", estimate_id=estimate["id"])
        desk.settle()
        assert desk.read("Estimate", estimate["qb_id"])["TxnStatus"] == status
        assert _get(api, f"estimates/{estimate['id']}")["status"] == "closed"
    assert _get(api, f"invoices/{invoice['id']}")["status"] == "open"


@pytest.mark.parametrize("retry_after", [None, 1])
@pytest.mark.parametrize("shape", ["json", "xml"])
def test_calls_that_come_too_soon_wait_and_none_is_lost(
    desk: Desk, api: httpx.Client, shape: str, retry_after: int | None
) -> None:
    estimate = _draft(api)
    _post(api, f"estimates/{estimate}/push")
    # The minute's one call that is left is made here.
    _named(desk, "Busy")
    with desk.turned(limits={"per_minute": 1, "throttled_shape": shape, "retry_after": retry_after}):
        desk.work()
        (waiting,) = _get(api, f"estimates/{estimate}")["writes"]
    assert (waiting["state"], waiting["error"]) == ("pending", "QuickBooks counts too many calls.")
    desk.settle()
    written = _get(api, f"estimates/{estimate}")
    assert (written["status"], written["writes"]) == ("open", [])
    assert [line["doc_number"] for line in desk.ledger("Estimate")].count(written["number"]) == 1


@pytest.mark.parametrize("code", ["6200", "6210"])
def test_a_closed_period_is_said_and_the_write_goes_out_once_it_is_open(
    desk: Desk, api: httpx.Client, code: str
) -> None:
    with desk.turned(shapes={"closed_books_code": code}):
        desk.close_books("2100-01-01")
        estimate = _written(api, desk)
        (failed,) = estimate["writes"]
        assert "accounting period is closed" in failed["error"]
        desk.close_books(None)
        _post(api, f"quickbooks/writes/{failed['id']}/retry")
        desk.settle()
    estimate = _get(api, f"estimates/{estimate['id']}")
    assert (estimate["writes"], estimate["qb_id"] is None) == ([], False)
