"""I13 and I17: our books are QuickBooks's to the cent, every intent is one object there, and no id leads nowhere."""

from collections import Counter
from collections.abc import Awaitable, Callable

from harness.system import System

Check = Callable[[System], Awaitable[list[str]]]

PREFIXES = ("E-", "I-")
# Who keeps an id of what somebody owns: service, table, what is read of it → where it must be known.
KEPT = (
    ("billing", "customer", "contact_id", "contacts", "contact"),
    ("billing", "match_candidate", "customer_id", "billing", "customer"),
    ("billing", "match_candidate", "contact_id", "contacts", "contact"),
    ("billing", "contact_copy", "contact_id", "contacts", "contact"),
    ("billing", "property_copy", "property_id", "contacts", "property"),
    ("billing", "job", "contact_id", "contacts", "contact"),
    ("billing", "job", "property_id", "contacts", "property"),
    ("billing", "estimate", "job_id", "billing", "job"),
    ("billing", "invoice", "estimate_id", "billing", "estimate"),
    ("billing", "invoice", "job_id", "billing", "job"),
    ("billing", "application", "invoice_id", "billing", "invoice"),
    ("contacts", "customer_link", "customer_id", "billing", "customer"),
    ("contacts", "customer_link", "contact_id", "contacts", "contact"),
    ("contacts", "estimate_copy", "estimate_id", "billing", "estimate"),
    ("contacts", "estimate_copy", "customer_id", "billing", "customer"),
    ("contacts", "invoice_copy", "invoice_id", "billing", "invoice"),
    ("contacts", "invoice_copy", "customer_id", "billing", "customer"),
    ("contacts", "payment_copy", "payment_id", "billing", "payment"),
    ("contacts", "payment_copy", "customer_id", "billing", "customer"),
    ("contacts", "job_copy", "job_id", "billing", "job"),
    ("contacts", "job_copy", "contact_id", "contacts", "contact"),
    ("contacts", "contact_money", "contact_id", "contacts", "contact"),
    ("contacts", "campaign_copy", "campaign_id", "campaigns", "campaign"),
    ("messaging", "message", "contact_id", "contacts", "contact"),
    ("messaging", "message", "campaign_id", "campaigns", "campaign"),
    ("messaging", "contact_phone", "contact_id", "contacts", "contact"),
    ("messaging", "hold", "campaign_id", "campaigns", "campaign"),
    ("messaging", "campaign_state", "campaign_id", "campaigns", "campaign"),
    ("campaigns", "customer_link", "customer_id", "billing", "customer"),
    ("campaigns", "customer_link", "contact_id", "contacts", "contact"),
    ("campaigns", "payment", "id", "billing", "payment"),
    ("campaigns", "payment", "customer_id", "billing", "customer"),
    ("campaigns", "payment", "contact_id", "contacts", "contact"),
    ("campaigns", "payment", "(jsonb_array_elements(applied)->>'invoice_id')::uuid", "billing", "invoice"),
    ("campaigns", "recipient", "contact_id", "contacts", "contact"),
    ("campaigns", "recipient", "message_id", "messaging", "message"),
    ("campaigns", "reply", "message_id", "messaging", "message"),
    ("campaigns", "hold", "campaign_id", "campaigns", "campaign"),
    ("campaigns", "revenue_entry", "campaign_id", "campaigns", "campaign"),
    ("campaigns", "revenue_entry", "recipient_id", "campaigns", "recipient"),
    ("campaigns", "revenue_entry", "contact_id", "contacts", "contact"),
    ("campaigns", "revenue_entry", "invoice_id", "billing", "invoice"),
)


async def every_intent_is_one_object(system: System) -> list[str]:
    """I13: an estimate or invoice of ours was created once in QuickBooks, and what carries our prefix is ours."""
    created = await system.rows(
        "sandbox",
        "SELECT kind, entity_id, doc_number FROM qb_ledger WHERE operation = 'created' AND by = 'api'"
        " AND kind IN ('Estimate', 'Invoice') AND doc_number IS NOT NULL",
    )
    ours = {
        (kind, row["qb_id"]): row["number"]
        for kind, table in (("Estimate", "estimate"), ("Invoice", "invoice"))
        for row in await system.rows("billing", f"SELECT qb_id, number FROM {table} WHERE source = 'crm'")
    }
    there = [(row["kind"], row["entity_id"]) for row in created if row["doc_number"].startswith(PREFIXES)]
    numbers = Counter(row["doc_number"] for row in created if row["doc_number"].startswith(PREFIXES))
    return [
        *(f"{kind} {id} in QuickBooks has no intent here" for kind, id in there if (kind, id) not in ours),
        *(f"{number} was created {times} times" for number, times in numbers.items() if times > 1),
        *(f"{kind} {id} stands here, never created there" for kind, id in ours if id and (kind, id) not in there),
    ]


async def books_are_equal(system: System) -> list[str]:
    """I13: totals and balances of every invoice, and the money of every payment, are the same on both sides."""
    found = []
    for kind, ours in (
        ("Invoice", "SELECT qb_id, total_cents AS total, balance_cents AS rest FROM invoice WHERE qb_id IS NOT NULL"),
        ("Payment", "SELECT qb_id, amount_cents AS total, unapplied_cents AS rest FROM payment WHERE kind = 'payment'"),
        (
            "CreditMemo",
            "SELECT qb_id, total_cents AS total, remaining_cents AS rest FROM credit_memo WHERE qb_id IS NOT NULL",
        ),
        ("RefundReceipt", "SELECT qb_id, -amount_cents AS total, 0 AS rest FROM payment WHERE kind = 'refund'"),
    ):
        here = {row["qb_id"]: (row["total"], row["rest"]) for row in await system.rows("billing", ours)}
        there = {row["id"]: (row["total"], row["rest"]) for row in await system.rows("sandbox", _THEIRS, kind)}
        found += [
            f"{kind} {id}: QuickBooks has {there.get(id)}, we have {here.get(id)}"
            for id in sorted(here.keys() | there.keys())
            if here.get(id, (0, 0)) != there.get(id, (0, 0))
        ]
    return found


_THEIRS = """
    SELECT id::text,
        CASE WHEN is_deleted THEN 0 ELSE round(coalesce((body->>'TotalAmt')::numeric, 0) * 100)::bigint END AS total,
        CASE WHEN is_deleted THEN 0 ELSE round(coalesce((coalesce(body->>'Balance', body->>'UnappliedAmt',
            body->>'RemainingCredit'))::numeric, 0) * 100)::bigint END AS rest
    FROM (SELECT id, is_deleted, kind, body::jsonb AS body FROM qb_object WHERE kind = $1) AS found
"""


async def no_id_leads_nowhere(system: System) -> list[str]:
    """I17: whatever one service knows of another's exists there."""
    found = []
    for service, kept_in, kept, owner, table in KEPT:
        rows = await system.rows(service, f"SELECT DISTINCT {kept} AS id FROM {kept_in}")
        ids = {row["id"] for row in rows} - {None} - system.played
        there = f"SELECT id FROM {table} WHERE id = ANY($1)"
        known = {row["id"] for row in await system.rows(owner, there, list(ids))}
        found += [
            f"{service}.{kept_in} names the {table} {id}, which {owner} has not" for id in sorted(map(str, ids - known))
        ]
    return found


BOOKS: dict[str, Check] = {
    "I13 every intent is one object": every_intent_is_one_object,
    "I13 books are equal": books_are_equal,
    "I17 no id leads nowhere": no_id_leads_nowhere,
}
