"""I16, of money: what was received is what was attributed and what was not, to the cent, in every currency."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from harness.streams import deploy_client
from harness.system import System

Check = Callable[[System], Awaitable[list[str]]]

CONSERVED = ("first_touch", "last_touch")
TOLD = "billing.payment."


async def money_adds_up(system: System) -> list[str]:
    """I16: billing's payments = the copies = what the books say of each + what they leave out = what is shown."""
    copies = await system.rows("campaigns", "SELECT * FROM payment ORDER BY id")
    return [
        *await _other_payments(system, copies),
        *await _open_books(system, copies),
        *await _shown_otherwise(system, copies),
    ]


async def _other_payments(system: System, copies: list[Any]) -> list[str]:
    """The newest version of each payment in the stream, beside its copy."""
    async with deploy_client(system.stack) as client:
        messages = await system.streams.read(client, "BILLING")
    payments = [json.loads(message.body)["data"] for message in messages if message.subject.startswith(TOLD)]
    told = {
        payment["payment_id"]: (payment["version"], payment["amount"]["amount_cents"], payment["amount"]["currency"])
        for payment in sorted(payments, key=lambda payment: payment["version"])
    }
    kept = {str(copy["id"]): (copy["version"], copy["amount_cents"], copy["currency"]) for copy in copies}
    return [
        f"payment {id}: billing told {told.get(id)}, campaigns keeps {kept.get(id)}"
        for id in sorted(told.keys() | kept.keys())
        if told.get(id) != kept.get(id)
    ]


async def _open_books(system: System, copies: list[Any]) -> list[str]:
    """Of each payment, the entries are all of it under each model, or none where it says that nobody earned it."""
    entries = {
        (row["payment_id"], row["model"], row["currency"]): row["cents"]
        for row in await system.rows(
            "campaigns",
            "SELECT payment_id, model, currency, sum(amount_cents)::bigint AS cents FROM revenue_entry"
            " WHERE model = ANY($1) GROUP BY 1, 2, 3 HAVING sum(amount_cents) <> 0",
            CONSERVED,
        )
    }
    wanted = {
        (copy["id"], model, copy["currency"]): copy["amount_cents"]
        for copy in copies
        if copy["outcome"] == "attributed" and copy["amount_cents"]
        for model in CONSERVED
    }
    behind = [copy["id"] for copy in copies if copy["attributed_version"] != copy["version"]]
    return [
        *(f"payment {id} is not attributed as it stands" for id in behind),
        *(
            f"payment {id} under {model}: {entries.get((id, model, currency), 0)} of"
            f" {wanted.get((id, model, currency), 0)} {currency} cents"
            for id, model, currency in sorted(entries.keys() | wanted.keys())
            if entries.get((id, model, currency)) != wanted.get((id, model, currency))
        ),
    ]


async def _shown_otherwise(system: System, copies: list[Any]) -> list[str]:
    received: Counter[str] = Counter()
    for copy in copies:
        received[copy["currency"]] += copy["amount_cents"]
    shown = {found["currency"]: found for found in (await system.get("/api/v1/revenue"))["currencies"]}
    found = [f"{currency}: nothing is shown" for currency in received.keys() - shown.keys()]
    for currency, revenue in shown.items():
        for model in revenue["models"]:
            sums = {
                "payments": received[currency],
                "shown": revenue["total_cents"],
                "attributed and not": model["attributed_cents"] + model["unattributed_cents"],
                "campaigns and reasons": sum(c[model["model"]]["amount_cents"] for c in revenue["campaigns"])
                + sum(part["amount_cents"] for part in model["unattributed"]),
            }
            if len(set(sums.values())) != 1:
                found.append(f"{currency} under {model['model']}: {sums}")
    return found


MONEY: dict[str, Check] = {"I16 money adds up": money_adds_up}
