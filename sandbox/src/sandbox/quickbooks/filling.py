"""A company with months of business in it: customers, invoices and payments that agree, drawn by a seed. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.forms import ZERO, Desk, Document, completed, named, paid
from sandbox.quickbooks.money import CENT, cents, compute_totals, line_amount

FIRST_NAMES = ("Ana", "Ben", "Carla", "Dan", "Elena", "Frank", "Grace", "Hugo", "Iris", "Jack", "Kim", "Luis", "Mara",
               "Nina", "Omar", "Paul", "Rosa", "Sam", "Tara", "Victor")  # fmt: skip
LAST_NAMES = ("Lima", "Ortiz", "Brooks", "Chen", "Doyle", "Evans", "Fontaine", "Garcia", "Hall", "Ivers", "Jones",
              "Kelly", "Lowell", "Murphy", "Nash", "Olsen", "Price", "Reed", "Souza", "Walsh")  # fmt: skip
STREETS = ("Main Street", "Elm Street", "Chestnut Avenue", "Pond Road", "High Street", "School Lane")
TOWNS = (("Quincy", "02169"), ("Braintree", "02184"), ("Weymouth", "02188"), ("Hingham", "02043"), ("Milton", "02186"))
LONGEST_DEBT = timedelta(days=45)
DAYS_OF_A_MONTH = 30


@dataclass(frozen=True)
class Wanted:
    customers: int
    invoices: int
    payments: int
    months: int
    seed: int


@dataclass(frozen=True)
class PricedItem:
    id: str
    name: str
    price: Decimal


@dataclass(frozen=True)
class Ground:
    """What of the company the documents stand on. All that they tell happened before `end`."""

    desk: Desk
    zone: str
    end: datetime
    items: Sequence[PricedItem]
    terms: Sequence[tuple[str, Document]]
    first_name_id: int
    first_transaction_id: int


@dataclass(frozen=True)
class Entry:
    """An object as it is to stand in the books."""

    kind: Literal["Customer", "Invoice", "Payment"]
    id: int
    body: Document
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Link:
    payment_id: int
    invoice_id: int
    amount: Decimal


@dataclass(eq=False)
class _Customer:
    id: int
    at: datetime
    name: str
    balance: Decimal = ZERO
    invoices: list["_Invoice"] = field(default_factory=list)

    @property
    def reference(self) -> Document:
        return {"value": str(self.id), "name": self.name}


@dataclass(eq=False)
class _Invoice:
    at: datetime
    customer: _Customer
    lines: list[Document]
    open: Decimal
    id: int = 0
    payments: list["_Payment"] = field(default_factory=list)


@dataclass(eq=False)
class _Payment:
    at: datetime
    customer: _Customer
    total: Decimal
    shares: list[tuple[_Invoice, Decimal]]
    id: int = 0

    @property
    def unapplied(self) -> Decimal:
        return self.total - sum([amount for _, amount in self.shares], ZERO)


@dataclass(frozen=True)
class Plan:
    """Who owes what to whom; `entries` writes it out."""

    ground: Ground
    customers: list[_Customer]
    invoices: list[_Invoice]
    payments: list[_Payment]

    @property
    def links(self) -> list[Link]:
        return [Link(one.id, invoice.id, amount) for one in self.payments for invoice, amount in one.shares]


def plan(wanted: Wanted, ground: Ground) -> Plan:
    """The same for the same seed, counts, ids and end."""
    random = Random(wanted.seed)
    span = timedelta(days=wanted.months * DAYS_OF_A_MONTH)
    start = ground.end - span
    customers = [
        _customer(random, ground.first_name_id + number, start + span * number / wanted.customers)
        for number in range(wanted.customers)
    ]
    invoices = [
        _invoice(random, customers, start + span * (number + 1) / (wanted.invoices + 1), ground, number, wanted)
        for number in range(wanted.invoices)
    ]
    # Each is paid once before one is paid again.
    order = random.sample(invoices, len(invoices))
    payments = [
        _payment(random, order[number % len(order)], ground.end)
        if order
        else _on_account(random, random.choice(customers), start + span * random.random())
        for number in range(wanted.payments)
    ]
    _number(invoices, payments, ground.first_transaction_id)
    return Plan(ground, customers, invoices, payments)


def _customer(random: Random, customer_id: int, at: datetime) -> _Customer:
    # The id keeps the name from being anybody else's.
    return _Customer(customer_id, at, f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)} {customer_id}")


def _invoice(
    random: Random, customers: list[_Customer], at: datetime, ground: Ground, number: int, wanted: Wanted
) -> _Invoice:
    # Nobody is billed before being a customer; those who come first are billed most.
    known = min(len(customers), (number + 1) * len(customers) // (wanted.invoices + 1) + 1)
    customer = customers[random.randrange(known)]
    tax = random.choice(("TAX", "NON"))
    lines = [_line(random, random.choice(ground.items), tax) for _ in range(random.choice((1, 1, 2, 3)))]
    invoice = _Invoice(at, customer, lines, compute_totals(lines, ground.desk.tax_percent).total)
    customer.invoices.append(invoice)
    customer.balance += invoice.open
    return invoice


def _line(random: Random, item: PricedItem, tax: str) -> Document:
    quantity = Decimal(random.randint(1, 12))
    detail = {
        "ItemRef": {"value": item.id, "name": item.name},
        "Qty": quantity,
        "UnitPrice": item.price,
        "TaxCodeRef": {"value": tax},
    }
    return {
        "DetailType": "SalesItemLineDetail",
        "Amount": line_amount(quantity, item.price),
        "Description": item.name,
        "SalesItemLineDetail": detail,
    }


def _payment(random: Random, invoice: _Invoice, end: datetime) -> _Payment:
    """Mostly of the whole invoice; some in part, some too much, some of a second one as well."""
    at = invoice.at + (min(invoice.at + LONGEST_DEBT, end) - invoice.at) * random.random()
    if invoice.open < 2 * CENT:
        return _on_account(random, invoice.customer, at)
    draw = random.random()
    shares = [(invoice, cents(invoice.open / 2) if draw < 0.08 else invoice.open)]
    total = shares[0][1]
    if 0.08 <= draw < 0.12:
        total += _some_money(random)
    elif draw > 0.9:
        shares += [(one, one.open) for one in invoice.customer.invoices if one is not invoice and _is_due(one, at)][:1]
        total = sum([amount for _, amount in shares], ZERO)
    payment = _Payment(at, invoice.customer, total, shares)
    for one, amount in shares:
        one.open -= amount
        one.payments.append(payment)
    invoice.customer.balance -= total
    return payment


def _is_due(invoice: _Invoice, at: datetime) -> bool:
    return invoice.open > 0 and invoice.at <= at


def _on_account(random: Random, customer: _Customer, at: datetime) -> _Payment:
    payment = _Payment(max(at, customer.at), customer, _some_money(random), [])
    customer.balance -= payment.total
    return payment


def _some_money(random: Random) -> Decimal:
    return Decimal(random.randrange(1_000, 50_000)) * CENT


def _number(invoices: list[_Invoice], payments: list[_Payment], first_id: int) -> None:
    """Ids in the order of time: all transactions of a company share one sequence."""
    by_time: list[_Invoice | _Payment] = sorted([*invoices, *payments], key=lambda one: one.at)
    for number, one in enumerate(by_time, start=first_id):
        one.id = number


def entries(planned: Plan) -> Iterator[Entry]:
    """The documents, each written when it is asked for."""
    ground = planned.ground
    for customer in planned.customers:
        yield Entry("Customer", customer.id, _customer_body(customer), customer.at, customer.at)
    random = Random(ground.first_transaction_id)
    for invoice in planned.invoices:
        changed_at = max((payment.at for payment in invoice.payments), default=invoice.at)
        yield Entry("Invoice", invoice.id, _invoice_body(random, invoice, ground), invoice.at, changed_at)
    for payment in planned.payments:
        yield Entry("Payment", payment.id, _payment_body(payment, ground), payment.at, payment.at)


def _customer_body(customer: _Customer) -> Document:
    first, last, _ = customer.name.split()
    body = named(
        {
            "GivenName": first,
            "FamilyName": last,
            "PrimaryEmailAddr": {"Address": f"{first}.{last}.{customer.id}@example.com".lower()},
            "PrimaryPhone": {"FreeFormNumber": phone_of(customer.id)},
            "BillAddr": _address(customer),
        },
        customer.name,
    )
    return body | {"Balance": customer.balance, "BalanceWithJobs": customer.balance}


def _address(customer: _Customer) -> Document:
    street = f"{customer.id % 400 + 1} {STREETS[customer.id % len(STREETS)]}"
    town, postcode = TOWNS[customer.id % len(TOWNS)]
    return {"Line1": street, "City": town, "CountrySubDivisionCode": "MA", "PostalCode": postcode}


def phone_of(customer_id: int) -> str:
    """One number for each customer of a company, in an exchange that no service has."""
    return f"(617) {200 + customer_id // 10_000 % 11:03}-{customer_id % 10_000:04}"


def _invoice_body(random: Random, invoice: _Invoice, ground: Ground) -> Document:
    term_id, term = random.choice(ground.terms) if ground.terms else (None, None)
    body: Document = {
        "CustomerRef": invoice.customer.reference,
        "BillAddr": _address(invoice.customer),
        "DocNumber": f"H-{invoice.id}",
        "TxnDate": _day(invoice.at, ground),
        "Line": invoice.lines,
    }
    if term_id is not None:
        body["SalesTermRef"] = {"value": term_id}
    body = completed(KINDS["Invoice"], body, replace(ground.desk, term=term))
    links = [{"TxnId": str(id), "TxnType": "Payment"} for id in sorted(payment.id for payment in invoice.payments)]
    return body | {"Balance": invoice.open, "LinkedTxn": links}


def _payment_body(payment: _Payment, ground: Ground) -> Document:
    lines = [
        {"Amount": amount, "LinkedTxn": [{"TxnId": str(invoice.id), "TxnType": "Invoice"}]}
        for invoice, amount in payment.shares
    ]
    body = {"CustomerRef": payment.customer.reference, "TxnDate": _day(payment.at, ground), "Line": lines}
    return paid(body, payment.total, payment.total - payment.unapplied)


def _day(at: datetime, ground: Ground) -> str:
    return at.astimezone(ZoneInfo(ground.zone)).date().isoformat()
