"""The sandbox that stands in for OpenPhone: how it is turned for the demo, and what it has seen."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from demo.connection import Connection, Installation
from demo.errors import DemoError
from demo.reconciliation import IncomingText, SentText

API_VERSION = "2026-03-30"
LANDLINE = {"ending": "undelivered", "error_code": "30006"}
PEOPLE = {
    "yes": 0.06,
    "question": 0.04,
    "picture": 0.01,
    "stop": 0.03,
    "free_opt_out": 0.02,
    "delay_seconds": [60, 2400],
}
FAULTS = {
    # The share of requests of which nobody knows whether they sent stays under the breaker's limit of 2 %.
    "send": {
        "timeout_after_accept": 0.006,
        "reset_after_accept": 0.003,
        "error_after_accept": 0.003,
        "error_before_accept": 0.01,
        "rate_limited": 0.01,
    },
    "webhook": {"missing": 0.06, "duplicate": 0.08, "late": 0.03, "reordered": 0.08},
    "rate_limited_burst": 2,
    "hang_seconds": 20,
    "late_seconds": 900,
}


QUICKBOOKS_FAULTS = {
    "calls": {
        "shares": {
            "expired_token": 0.02,
            "application_error": 0.02,
            "unavailable_html": 0.02,
            "reset_before_commit": 0.02,
            "error_after_commit": 0.03,
            "reset_after_commit": 0.03,
            "truncated_after_commit": 0.03,
        },
    },
    "events": {"shares": {"missing": 0.1, "duplicate": 0.1, "reordered": 0.1}},
}


class Provider:
    """The control endpoints, which nobody but tests and demos has, and the provider's own list of messages."""

    def __init__(self, installation: Installation) -> None:
        self._control = Connection(installation.sandbox_url, {"X-Sandbox-Key": installation.sandbox_key})
        self._url = installation.sandbox_url

    def behave(self, *, seed: int, landlines: Collection[str], with_faults: bool) -> dict[str, Any]:
        """Set how people answer, how texts end and what breaks; returns the controls that were in force before."""
        before: dict[str, Any] = self._control.get("/sandbox/v1/controls")
        self._control.put(
            "/sandbox/v1/controls",
            {
                "persona": {**PEOPLE, "seed": seed},
                "life": {
                    "seed": seed,
                    "undelivered": 0.02,
                    "failed": 0.01,
                    "recipients": dict.fromkeys(landlines, LANDLINE),
                },
                "faults": {**FAULTS, "seed": seed} if with_faults else {},
                "quickbooks": _seeded(QUICKBOOKS_FAULTS, seed) if with_faults else {},
            },
        )
        return before

    def restore(self, controls: dict[str, Any]) -> None:
        self._control.put("/sandbox/v1/controls", controls)

    def text_from(self, phone: str, to: str, text: str) -> None:
        """Somebody outside texts one of our numbers."""
        self._control.post("/sandbox/v1/inbound", {"from": phone, "to": to, "text": text})

    def broken_deliveries(self) -> dict[str, int]:
        """How many webhooks were lost, doubled, late or out of order, since the sandbox began."""
        found: dict[str, int] = self._control.get("/sandbox/v1/stats")["delivery_faults"]
        return found

    def sent_since(self, since: datetime) -> list[SentText]:
        """What the provider accepted as a send, the earliest first."""
        texts = (
            SentText(row["recipient"], row["sender"], row["body"], datetime.fromisoformat(row["crm_at"]), row["fault"])
            for row in self._control.lines("/sandbox/v1/ledger/export")
        )
        return [text for text in texts if text.at >= since]

    def incoming_since(self, since: datetime) -> list[IncomingText]:
        """What people outside have texted, from the provider's own list."""
        found = [
            IncomingText(item["from"], item.get("text") or item.get("content") or "", _instant(item["createdAt"]))
            for item in self._listed(since)
        ]
        return sorted(found, key=lambda text: text.at)

    def _listed(self, since: datetime) -> Iterator[dict[str, Any]]:
        # A key of its own has a rate limit of its own, so that the product is not slowed down.
        key = self._control.post("/sandbox/v1/keys", {"name": f"demo-{uuid4()}"})["key"]
        headers = {"Authorization": key, "Quo-Api-Version": API_VERSION}
        params: dict[str, Any] = {"direction": "incoming", "createdAt[gt]": since.isoformat(), "maxResults": 100}
        with httpx.Client(base_url=self._url, headers=headers, timeout=30) as http:
            while True:
                answer = http.get("/messages", params=params)
                if answer.is_error:
                    raise DemoError(
                        f"The sandbox's list of messages answered {answer.status_code}: {answer.text[:200]}"
                    )
                page = answer.json()
                yield from page["data"]
                if not page["nextPageToken"]:
                    return
                params["pageToken"] = page["nextPageToken"]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seeded(faults: dict[str, dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    return {part: {**chosen, "seed": seed} for part, chosen in faults.items()}
