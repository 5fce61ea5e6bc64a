"""The few pages that customers and browsers see of billing: plain HTML, readable on a phone, without scripts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape

from shared.rules.money import Money

from billing.lines import Line, LineKind
from billing.states import EstimateStatus
from billing.totals import line_amounts

STYLESHEET = "/public/billing.css"
CSS = """
:root { color-scheme: light; font-family: system-ui, sans-serif; line-height: 1.5; color: #1c2733;
  background: #f3f5f7; }
main { max-width: 40rem; margin: 2rem auto; padding: 1.5rem; background: #fff; border-radius: .5rem;
  box-shadow: 0 1px 4px rgb(0 0 0 / 15%); }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .4rem .25rem; text-align: left; border-bottom: 1px solid #dde3e8; vertical-align: top; }
th:not(:first-child), td:not(:first-child) { text-align: right; white-space: nowrap; }
tfoot tr:last-child { font-weight: 700; font-size: 1.1rem; }
label { display: block; font-weight: 600; } input, textarea { width: 100%; box-sizing: border-box; padding: .5rem;
  font: inherit; border: 1px solid #6b7a88; border-radius: .25rem; }
.bill, .letterhead { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  justify-content: space-between; }
a.button { text-decoration: none; display: inline-block; }
button, a.button { padding: .7rem 1.4rem; font: inherit; font-weight: 600; border: 0; border-radius: .25rem;
  background: #0b5cad; color: #fff; cursor: pointer; }
button.quiet { background: #fff; color: #8a1c1c; border: 1px solid #8a1c1c; }
button:focus-visible, input:focus-visible, textarea:focus-visible, a:focus-visible { outline: 3px solid #f5a623; }
.status, .notice { padding: .6rem .8rem; border-radius: .25rem; background: #e7f0fa; font-weight: 600; }
.notice { background: #fdecd2; }
@media (max-width: 30rem) { main { margin: 0; border-radius: 0; padding: 1rem; } }
"""

_WORDS = {
    EstimateStatus.OPEN: "Waiting for your answer",
    EstimateStatus.ACCEPTED: "Accepted. Thank you: we will call you to set a date.",
    EstimateStatus.DECLINED: "Declined. Call us if you change your mind.",
    EstimateStatus.EXPIRED: "The day until which this price held has passed. You may still answer; we will confirm it.",
    EstimateStatus.CLOSED: "This estimate is closed. Call us if that is not what you expect.",
    EstimateStatus.DELETED: "This estimate was withdrawn. Call us for a new one.",
}


@dataclass(frozen=True)
class Business:
    """Who we are to a customer; `phone` as they read it, empty where they are to find it themselves."""

    name: str
    phone: str = ""


@dataclass(frozen=True)
class BillShown:
    """What is to be paid of an estimate. `pay_at` is None where it is not paid online."""

    number: str
    balance: Money
    due_on: date | None
    pay_at: str | None


@dataclass(frozen=True)
class EstimatePage:
    """`action` is the page's own address; None where there is nothing to answer any more. `notice` is what came of an
    answer that was not taken.
    """

    business: Business
    number: str
    status: EstimateStatus
    expires_on: date | None
    lines: tuple[Line, ...]
    subtotal: Money
    tax: Money
    total: Money
    action: str | None
    is_invoiced: bool = False
    notice: str | None = None
    bills: tuple[BillShown, ...] = ()


def page(title: str, body: str, *, head: str = "") -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="stylesheet" href="{STYLESHEET}">{head}</head><body><main>{body}</main></body></html>\n'
    )


def message_page(
    title: str, text: str, *, business: Business | None = None, onward: str | None = None, is_at_once: bool = True
) -> str:
    """A sentence, and with `onward` a link; the browser goes there by itself where it `is_at_once`."""
    head = _letterhead(business) if business else ""
    refresh = f'<meta http-equiv="refresh" content="0; url={escape(onward)}">' if onward and is_at_once else ""
    link = f'<p><a href="{escape(onward)}">Go on</a></p>' if onward else ""
    return page(title, f"{head}<h1>{escape(title)}</h1><p>{escape(text)}</p>{link}", head=refresh)


def _letterhead(business: Business) -> str:
    dialled = "".join(character for character in business.phone if character in "+0123456789")
    call = f' <a href="tel:{dialled}">{escape(business.phone)}</a>' if dialled else ""
    return f'<p class="letterhead"><span>{escape(business.name)}</span>{call}</p>'


def estimate_page(shown: EstimatePage) -> str:
    title = f"Estimate {shown.number}"
    parts = [
        f"{_letterhead(shown.business)}<h1>{escape(title)}</h1>",
        f'<p class="notice" role="alert">{escape(shown.notice)}</p>' if shown.notice else "",
        _status(shown),
        _until(shown.expires_on) if shown.action else "",
        _table(shown),
        _bills(shown.bills),
        _forms(shown.action, shown.total) if shown.action else "",
    ]
    return page(title, "".join(parts))


def _until(day: date | None) -> str:
    return f"<p>Valid until {_words_of(day)}.</p>" if day else ""


def _status(shown: EstimatePage) -> str:
    # Closed is also what the office closed by hand.
    is_done = shown.status is EstimateStatus.CLOSED and shown.is_invoiced
    words = "Accepted and invoiced." if is_done else _WORDS.get(shown.status)
    return f'<p class="status" role="status">{escape(words)}</p>' if words else ""


def _table(shown: EstimatePage) -> str:
    head = '<tr><th scope="col">Work</th><th scope="col">Quantity</th><th scope="col">Amount</th></tr>'
    sums = (("Subtotal", shown.subtotal), ("Tax", shown.tax), ("Total", shown.total))
    foot = "".join(f'<tr><th scope="row">{name}</th><td></td><td>{escape(str(sum_))}</td></tr>' for name, sum_ in sums)
    rows = "".join(_rows(shown.lines, shown.total.currency))
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody><tfoot>{foot}</tfoot></table>"


def _rows(lines: Sequence[Line], currency: str) -> Iterable[str]:
    for line, cents in zip(lines, line_amounts(lines), strict=True):
        quantity = "" if line.quantity is None else format(line.quantity.normalize(), "f")
        sign = -1 if line.kind is LineKind.DISCOUNT else 1
        is_words = line.kind is LineKind.TEXT and not cents
        amount = "" if is_words else str(Money(sign * cents, currency))
        yield f"<tr><td>{escape(line.description)}</td><td>{escape(quantity)}</td><td>{escape(amount)}</td></tr>"


def _bills(bills: tuple[BillShown, ...]) -> str:
    return "<h2>To pay</h2>" + "".join(_bill(bill) for bill in bills) if bills else ""


def _bill(bill: BillShown) -> str:
    due = f", due on {_words_of(bill.due_on)}" if bill.due_on else ""
    pay = f' <a class="button" href="{escape(bill.pay_at)}">Pay online</a>' if bill.pay_at else ""
    return f'<p class="bill"><span>Invoice {escape(bill.number)}: {escape(str(bill.balance))}{due}</span>{pay}</p>'


def _words_of(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def _forms(action: str, total: Money) -> str:
    """A yes says to what: the total that stood on the page goes with it."""
    return (
        f'<form method="post" action="{escape(action)}/accept"><h2>Accept this estimate</h2>'
        f'<input type="hidden" name="total_cents" value="{total.amount_cents}">'
        f'<input type="hidden" name="currency" value="{escape(total.currency)}">'
        '<p><label>Your name <input name="name" required maxlength="100" autocomplete="name"></label></p>'
        '<p><label>Anything we should know <textarea name="note" maxlength="1000" rows="3"></textarea></label></p>'
        '<p><button type="submit">Accept</button></p></form>'
        f'<form method="post" action="{escape(action)}/decline"><h2>Or tell us no</h2>'
        '<p><label>Your name <input name="name" required maxlength="100" autocomplete="name"></label></p>'
        '<p><label>What would have to change <textarea name="note" maxlength="1000" rows="2"></textarea></label></p>'
        '<p><button class="quiet" type="submit">Decline</button></p></form>'
    )
