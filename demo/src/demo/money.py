"""The story's second half: who said yes gets an estimate, accepted ones become invoices, and payments arrive."""

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx

from demo.connection import Connection, Installation
from demo.display import Screen
from demo.errors import DemoError
from demo.pace import Pace
from demo.reconciliation import Line

CUSTOMERS = 12
"""People who answered the campaign and become customers, at most."""
WORK = (
    (("Crack injection, per foot", "12.5"), ("Assessment visit", "1")),
    (("Carbon fiber strap", "4"),),
    (("Wall anchor", "3"), ("Crack injection, per foot", "8.25")),
    (("Sump pump installation", "1"),),
)
DECLINES_EVERY, DEPOSIT_EVERY, LATE_EVERY, PART_EVERY = 6, 4, 5, 3
STRANGER = "Walk-in customer"
"""Somebody whom nobody texted, and whose money no text earned."""
PAGE = 1000
TRIES, PAUSE_SECONDS = 10, 0.3
UUID_IN_NOTE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Deal:
    """One customer's way from a yes to money."""

    recipient: dict[str, Any]
    estimate: dict[str, Any] = field(default_factory=dict)
    invoices: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Books:
    """Cents on both sides, by QuickBooks's ids: (total, balance) of each invoice, and the money of each payment."""

    their_invoices: dict[str, tuple[int, int]]
    our_invoices: dict[str, tuple[int, int]]
    their_money: int
    our_money: int
    accepted: dict[str, int]
    """What each estimate that was accepted in the story costs there, before tax: that of each part is rounded alone."""
    billed: dict[str, list[int]]
    """What QuickBooks's own invoices bill of each of these, before tax."""
    in_parts: Set[str]
    """Those that are billed by a deposit and the rest; every other one at once."""
    revenue: dict[str, Any] | None


class QuickBooks:
    """What people do in QuickBooks, and what its books say, read with a consent of the demo's own."""

    def __init__(self, installation: Installation) -> None:
        self._control = Connection(installation.sandbox_url, {"X-Sandbox-Key": installation.sandbox_key})
        self._http = httpx.Client(base_url=installation.sandbox_url, timeout=60)
        self._realm = str(self._control.get("/sandbox/v1/quickbooks/companies")["items"][0]["realm_id"])
        self._token = ""

    def consent(self, authorize_url: str) -> dict[str, str]:
        """Somebody says yes on Intuit's page; returns what their browser brings back."""
        back = self._http.get(authorize_url).headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    def types_payment(self, customer: str, cents: int, invoice: str | None, reference: str) -> str:
        body: dict[str, Any] = {"customer_id": customer, "amount": _dollars(cents), "reference": reference}
        if invoice is not None:
            body["invoice_id"] = invoice
        return str(self._people("payments", body)["id"])

    def voids_payment(self, payment: str) -> None:
        self._people(f"payment/{payment}/void", None)

    def _people(self, path: str, body: Any) -> Any:
        return self._control.post(f"/sandbox/v1/quickbooks/companies/{self._realm}/{path}", body)

    def stranger(self) -> str:
        """A customer whom somebody typed into QuickBooks; returns their id."""
        found = self._query(f"SELECT * FROM Customer WHERE DisplayName = '{STRANGER}'")
        customer = next(iter(found), None) or self._write("customer", {"DisplayName": STRANGER})["Customer"]
        return str(customer["Id"])

    def all_of(self, entity: str) -> Iterator[dict[str, Any]]:
        start = 1
        while True:
            page = self._query(f"SELECT * FROM {entity} ORDERBY Id STARTPOSITION {start} MAXRESULTS {PAGE}")
            yield from page
            start += len(page)
            if len(page) < PAGE:
                return

    def _query(self, query: str) -> list[dict[str, Any]]:
        answer = self._call("GET", "query", params={"query": query})["QueryResponse"]
        return next((rows for name, rows in answer.items() if isinstance(rows, list)), [])

    def _write(self, entity: str, body: dict[str, Any]) -> dict[str, Any]:
        # Under one requestid, however often it is tried: what had been written is answered again.
        return self._call("POST", entity, json=body, params={"requestid": str(uuid4())})

    def _call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Asks again where QuickBooks fails as the demo made it fail."""
        why = ""
        for _ in range(TRIES):
            try:
                answer = self._answer(method, path, **request)
                if answer.is_success:
                    document: dict[str, Any] = answer.json(parse_float=Decimal)
                    return document
                why = f"{answer.status_code}: {answer.text[:200]}"
                if answer.status_code == httpx.codes.UNAUTHORIZED:
                    # The clock was moved past the token's hour.
                    self._token = ""
            except (httpx.HTTPError, ValueError) as error:
                why = repr(error)
            time.sleep(PAUSE_SECONDS)
        raise DemoError(f"QuickBooks did not let the demo {method} {path} in {TRIES} tries, at last: {why}")

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        self._token = self._token or self._people("access-token", None)["access_token"]
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        return self._http.request(method, f"/v3/company/{self._realm}/{path}", headers=headers, **request)


class Money:
    def __init__(self, installation: Installation, api: Connection, screen: Screen, campaign_id: str) -> None:
        self._api = api
        self._screen = screen
        self._campaign_id = campaign_id
        self._quickbooks = QuickBooks(installation)
        self._pace = Pace(api, lambda: None)

    def run(self) -> list[Line]:
        """Tell it all; returns the table's lines about money."""
        self._connect()
        deals = self._sell()
        self._answer(deals)
        self._invoice(deals)
        self._pay(deals)
        self._show_revenue()
        return reconcile(self._gather(deals))

    def _connect(self) -> None:
        self._screen.step("Connecting QuickBooks")
        if self._api.get("/api/v1/quickbooks/connection")["status"] != "connected":
            given = self._quickbooks.consent(self._api.post("/api/v1/quickbooks/connect")["authorize_url"])
            body = {"code": given["code"], "state": given["state"], "realm_id": given["realmId"]}
            self._api.post("/api/v1/quickbooks/callback", body)
        self._pace.settle()
        health = self._api.get("/api/v1/quickbooks/connection")
        items = sum(1 for _ in self._api.pages("/api/v1/items"))
        self._screen.say(f"{health['company_name']}, {items} items in the price book.")

    def _sell(self) -> list[Deal]:
        path = f"/api/v1/campaigns/{self._campaign_id}/recipients"
        answered = [one for one in self._api.pages(path) if one["replied_at"] and one["status"] == "delivered"]
        deals = [Deal(one) for one in answered[:CUSTOMERS]]
        self._screen.step(f"{len(deals)} of {len(answered)} who answered get a visit and an estimate")
        items = {item["name"]: item["id"] for item in self._api.pages("/api/v1/items")}
        for number, deal in enumerate(deals):
            contact = deal.recipient["contact_id"]
            job = self._api.post("/api/v1/jobs", {"title": "Foundation cracks", "contact_id": contact})
            starts = (self._pace.now + timedelta(days=2, hours=number)).isoformat()
            visit = {"kind": "assessment", "starts_at": starts, "minutes": 45}
            self._api.post(f"/api/v1/jobs/{job['id']}/visits", visit)
            lines = [{"item_id": items[name], "quantity": count} for name, count in WORK[number % len(WORK)]]
            email = f"home.owner.{number}@example.com"
            draft = {"contact_id": contact, "job_id": job["id"], "lines": lines, "email": email}
            deal.estimate = self._api.post("/api/v1/estimates", draft)
            self._api.post(f"/api/v1/estimates/{deal.estimate['id']}/send", {})
        self._pace.settle()
        for deal in deals:
            deal.estimate = self._api.get(f"/api/v1/estimates/{deal.estimate['id']}")
        self._screen.table(
            ("estimate", "customer", "total", "sent"),
            [
                (e["number"], e["customer"]["display_name"], _money(e["total"]), "yes" if e["sent_at"] else "no")
                for e in (deal.estimate for deal in deals[:5])
            ],
        )
        return deals

    def _answer(self, deals: list[Deal]) -> None:
        """On the page that the e-mail leads to."""
        for number, deal in enumerate(deals, start=1):
            verb = "decline" if number % DECLINES_EVERY == 0 else "accept"
            address = f"{urlsplit(deal.estimate['public_url']).path}/{verb}"
            total = deal.estimate["total"]
            answer = {
                "name": deal.recipient["name"] or "Home owner",
                "total_cents": total["amount_cents"],
                "currency": total["currency"],
            }
            self._api.request("POST", address, data=answer)
        self._pace.settle()

    def _invoice(self, deals: list[Deal]) -> None:
        self._screen.step("Accepted estimates become invoices")
        for number, deal in enumerate(deals):
            deal.estimate = self._api.get(f"/api/v1/estimates/{deal.estimate['id']}")
            if deal.estimate["status"] != "accepted":
                continue
            wanted = {"estimate_id": deal.estimate["id"]}
            if number % DEPOSIT_EVERY == 1:
                parts = [{**wanted, "part": "deposit", "share": "0.3"}, {**wanted, "part": "progress"}]
            else:
                parts = [wanted]
            deal.invoices = [self._api.post("/api/v1/invoices", part) for part in parts]
        self._pace.settle()
        for deal in deals:
            deal.invoices = [self._api.get(f"/api/v1/invoices/{one['id']}") for one in deal.invoices]
        made = [one for deal in deals for one in deal.invoices]
        self._screen.say(
            f"{len(made)} invoices of {sum(1 for deal in deals if deal.invoices)} accepted estimates, one of"
            f" {sum(1 for deal in deals if len(deal.invoices) > 1)} with a deposit first;"
            f" {sum(1 for deal in deals if not deal.invoices)} declined."
        )

    def _pay(self, deals: list[Deal]) -> None:
        self._screen.step("Payments are typed into QuickBooks: some late, one voided, one a stranger's")
        made = [one for deal in deals for one in deal.invoices if one["qb_id"]]
        late = made[::LATE_EVERY]
        paid = [self._pays(one, number) for number, one in enumerate(made) if one not in late]
        if paid:
            self._quickbooks.voids_payment(paid[0])
        self._quickbooks.types_payment(self._quickbooks.stranger(), 12_345, None, "cash")
        self._pace.settle()
        self._pace.move_to(self._pace.now + timedelta(days=20))
        self._pace.settle()
        for number, one in enumerate(late):
            self._pays(one, number)
        self._pace.settle()
        # What no webhook told, the hourly reading of changes finds.
        self._pace.move_to(self._pace.now + timedelta(hours=2))
        self._pace.settle()
        self._screen.say(f"{len(paid) + len(late) + 1} payments, {len(late)} of them 20 days later.")
        owed = self._api.get("/api/v1/receivables")["totals"].get("USD", {})
        self._screen.say(f"Still owed: {_dollars(owed.get('total', 0))} dollars on {owed.get('invoices', 0)} invoices.")

    def _pays(self, invoice: dict[str, Any], number: int) -> str:
        customer = self._api.get(f"/api/v1/customers/{invoice['customer']['id']}")["qb_id"]
        cents = invoice["balance"]["amount_cents"]
        part = cents // 2 if number % PART_EVERY == 2 else cents
        return self._quickbooks.types_payment(customer, part, invoice["qb_id"], f"check {1000 + number}")

    def _show_revenue(self) -> None:
        self._screen.step("The money that the campaign's texts earned")
        found = self._api.get(f"/api/v1/campaigns/{self._campaign_id}/revenue")
        rows = [(f"variant {part['variant']}", *_credits(part["revenue"])) for part in found["variants"]]
        rows.append(("campaign", *_credits(found["revenue"])))
        self._screen.table(("", "first touch", "last touch", "assisted", "payments"), rows)

    def _gather(self, deals: list[Deal]) -> Books:
        invoices = list(self._quickbooks.all_of("Invoice"))
        ours = {}
        for one in self._api.pages("/api/v1/invoices"):
            if one["status"] == "deleted":
                continue
            detail = self._api.get(f"/api/v1/invoices/{one['id']}")
            ours[detail["qb_id"] or one["id"]] = (one["total"]["amount_cents"], one["balance"]["amount_cents"])
        said_yes = [deal for deal in deals if deal.estimate["status"] == "accepted"]
        estimates = {one["Id"]: _before_tax(one) for one in self._quickbooks.all_of("Estimate")}
        received = sum(_cents(one["TotalAmt"]) for one in self._quickbooks.all_of("Payment"))
        given_back = sum(_cents(one["TotalAmt"]) for one in self._quickbooks.all_of("RefundReceipt"))
        totals = self._api.get("/api/v1/payments/totals")["totals"]
        currencies = self._api.get("/api/v1/revenue")["currencies"]
        return Books(
            their_invoices={one["Id"]: (_cents(one["TotalAmt"]), _cents(one["Balance"])) for one in invoices},
            our_invoices=ours,
            their_money=received - given_back,
            our_money=sum(one["amount"]["amount_cents"] for one in totals),
            accepted={_written(deal): estimates.get(_written(deal), 0) for deal in said_yes},
            billed=billed(invoices, {str(one["id"]): _written(deal) for deal in said_yes for one in deal.invoices}),
            in_parts={_written(deal) for deal in said_yes if len(deal.invoices) > 1},
            revenue=next((one for one in currencies if one["currency"] == "USD"), None),
        )


def reconcile(books: Books) -> list[Line]:
    """Our books, held against QuickBooks's own."""
    return [
        invoices_agree(books),
        accepted_are_billed_once(books),
        balances_agree(books),
        *(all_money_is_somewhere(books, model) for model in ("first_touch", "last_touch")),
    ]


def invoices_agree(books: Books) -> Line:
    there, here = set(books.their_invoices), set(books.our_invoices)
    return Line("invoices in QuickBooks = invoices here", f"{len(there):,} = {len(here):,}", there == here)


def accepted_are_billed_once(books: Books) -> Line:
    """By QuickBooks's own invoices: one over all of an estimate, or parts that add up to it."""
    wrong = [one for one, total in books.accepted.items() if not _is_billed_once(books, one, total)]
    figures = f"{len(books.accepted):,} accepted, {len(books.in_parts):,} in parts, {len(wrong):,} wrong"
    return Line("each accepted estimate is billed once in QuickBooks", figures, bool(books.accepted) and not wrong)


def _is_billed_once(books: Books, estimate: str, total: int) -> bool:
    bills = books.billed.get(estimate, [])
    return sum(bills) == total and (len(bills) > 1 if estimate in books.in_parts else len(bills) == 1)


def billed(invoices: Iterable[dict[str, Any]], estimates: Mapping[str, str]) -> dict[str, list[int]]:
    """What these documents of QuickBooks bill of each estimate, before tax; a voided one bills nothing.

    QuickBooks links but one invoice to an estimate: the parts are known by the mark that we write into their notes.
    `estimates`: the id of our invoice → its estimate's id in QuickBooks.
    """
    found = defaultdict[str, list[int]](list)
    for one in invoices:
        linked = {str(link["TxnId"]) for link in one.get("LinkedTxn", ()) if link["TxnType"] == "Estimate"}
        marked = {estimates[id_] for id_ in UUID_IN_NOTE.findall(one.get("PrivateNote", "")) if id_ in estimates}
        if cents := _before_tax(one):
            for estimate in (linked | marked) & set(estimates.values()):
                found[estimate].append(cents)
    return dict(found)


def _before_tax(document: dict[str, Any]) -> int:
    return _cents(document["TotalAmt"]) - _cents(document.get("TxnTaxDetail", {}).get("TotalTax", 0))


def _written(deal: Deal) -> str:
    """Its estimate's id in QuickBooks."""
    return str(deal.estimate["qb_id"])


def balances_agree(books: Books) -> Line:
    theirs, ours = (sum(balance for _, balance in one.values()) for one in (books.their_invoices, books.our_invoices))
    figures = f"${_dollars(theirs)} = ${_dollars(ours)} owed"
    return Line(
        "totals and balances equal QuickBooks's to the cent", figures, books.their_invoices == books.our_invoices
    )


def all_money_is_somewhere(books: Books, model: str) -> Line:
    found = next((one for one in (books.revenue or {}).get("models", ()) if one["model"] == model), None)
    attributed, rest = (found[name] if found else 0 for name in ("attributed_cents", "unattributed_cents"))
    figures = f"${_dollars(attributed)} + ${_dollars(rest)} = ${_dollars(books.their_money)}"
    holds = attributed + rest == books.their_money == books.our_money
    return Line(f"attributed ({model.replace('_', ' ')}) + unattributed = QuickBooks", figures, holds)


def _credits(revenue: list[dict[str, Any]]) -> tuple[str, str, str, int]:
    usd = next((one for one in revenue if one["currency"] == "USD"), None)
    if usd is None:
        return ("$0.00", "$0.00", "$0.00", 0)
    amounts = [f"${_dollars(usd[model]['amount_cents'])}" for model in ("first_touch", "last_touch", "assisted")]
    return (amounts[0], amounts[1], amounts[2], usd["last_touch"]["payments"])


def _money(amount: dict[str, Any]) -> str:
    return f"${_dollars(amount['amount_cents'])}"


def _dollars(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-2):.2f}"


def _cents(amount: Any) -> int:
    return int((Decimal(str(amount)) * 100).to_integral_value())
