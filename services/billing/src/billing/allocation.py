"""How much money, as opposed to credit, a payment brought to which invoice."""

from collections.abc import Sequence


def money_shares(invoices: Sequence[tuple[str, int]], credit_cents: int) -> list[tuple[str, int]]:
    """The part of each share that is money, where `credit_cents` of them were given by credit memos.

    QuickBooks does not say which invoice a credit went to within one payment: it is taken from the first ones, so that
    what is left adds up to the money that was applied. Shares of nothing are left out.
    """
    found: list[tuple[str, int]] = []
    left = credit_cents
    for invoice, cents in invoices:
        by_credit = min(left, cents)
        left -= by_credit
        if cents - by_credit:
            found.append((invoice, cents - by_credit))
    return found
