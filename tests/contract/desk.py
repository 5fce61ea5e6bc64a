"""Billing at work beside its served application, and the QuickBooks that it keeps books in."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import svcs
from billing.jobs import JOBS
from billing.models import Base
from billing.services.people import PeopleService
from billing.spec import SPEC
from shared.database import Begin
from shared.events.contacts import ContactChanged, PropertyChanged
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from contract.boundaries import CONTROL_KEY, PROVIDER_KEY, Boundary

PERSON = "9a3c8f50-0000-7000-8000-000000000001"
"""Who consents: a consent is brought back by whoever began it."""
CALLBACK = "http://localhost:9/callback"
SETTLE_SECONDS = 30
Row = TypeVar("Row", bound=Base)


class Desk:
    """`realm_id` is a company of this desk alone, in a sandbox that others may use too."""

    def __init__(self, quickbooks: Boundary, realm_id: str) -> None:
        self._quickbooks = quickbooks
        self._realm_id = realm_id
        self._control = quickbooks.client({"X-Sandbox-Key": CONTROL_KEY})
        self._token = ""
        self.settings: dict[str, Any] = {}
        """Of the served application; the fixture's `seed` hands them over."""

    def __enter__(self) -> Self:
        self._company("", method="POST", realm_id=self._realm_id, name="Contract Foundation Repair")
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()

    # What billing does by itself

    async def _within(self, do: Callable[[svcs.Container], Awaitable[int]]) -> int:
        registry = SPEC.registry(SPEC.settings(**self.settings))
        try:
            async with svcs.Container(registry) as container:
                return await do(container)
        finally:
            await registry.aclose()

    def learn(self, contacts: ContactChanged | None = None, properties: PropertyChanged | None = None) -> None:
        """What contacts tells."""

        async def record(container: svcs.Container) -> int:
            async with (await container.aget(Begin))() as tx:
                people = await tx.aget(PeopleService)
                if contacts:
                    await people.record_changes([contacts])
                if properties:
                    await people.record_properties([properties])
            return 0

        asyncio.run(self._within(record))

    def work(self) -> int:
        """Every job until a whole round finds nothing; returns how much was done."""

        async def run(container: svcs.Container) -> int:
            processes = [await container.aget(job.process) for job in JOBS]
            total = 0
            while done := sum([await process.run_once() for process in processes]):
                total += done
            return total

        return asyncio.run(self._within(run))

    def rows(self, model: type[Row], *conditions: Any) -> list[Row]:
        """What billing keeps, in the order of its keys."""
        found: list[Row] = []

        async def look(container: svcs.Container) -> int:
            async with (await container.aget(Begin))() as tx:
                session = await tx.aget(AsyncSession)
                found.extend(
                    await session.scalars(select(model).where(*conditions).order_by(*inspect(model).primary_key))
                )
            return 0

        asyncio.run(self._within(look))
        return found

    def settle(self) -> None:
        """Until QuickBooks has told of all that changed, and nothing is left to do about it."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.work() or not self._control.get("/sandbox/v1/queue").json()["idle"]:
            assert time.monotonic() < deadline, "billing and QuickBooks do not come to rest"

    # What people do

    def consent(self, authorize_url: str) -> dict[str, str]:
        """What the browser brings back from this desk's company."""
        back = self._control.get(f"{authorize_url}&realmId={self._realm_id}").headers["location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}

    def connect(self, api: httpx.Client) -> httpx.Response:
        """Consent, by somebody who has signed in as PERSON."""
        begun = api.post("/api/v1/quickbooks/connect").raise_for_status().json()
        given = self.consent(begun["authorize_url"])
        body = {"code": given["code"], "state": given["state"], "realm_id": given["realmId"]}
        return api.post("/api/v1/quickbooks/callback", json=body)

    def turn(self, **controls: Any) -> None:
        """Controls below `quickbooks`."""
        self._control.patch("/sandbox/v1/controls", json={"quickbooks": controls}).raise_for_status()

    def close_books(self, until: str | None) -> None:
        self._company(f"/{self._realm_id}/settings", method="PATCH", book_close_date=until)

    def people_do(self, path: str, **body: Any) -> dict[str, Any]:
        """Inside QuickBooks: `payments`, `invoice/12/void`, `merge-customers`, `expire-access` …"""
        return self._company(f"/{self._realm_id}/{path}", method="POST", **body)

    def _company(self, path: str, *, method: str, **body: Any) -> dict[str, Any]:
        answer = self._control.request(method, f"/sandbox/v1/quickbooks/companies{path}", json=body or None)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """The writes of a kind that took effect."""
        found = self._control.get(f"/sandbox/v1/quickbooks/companies/{self._realm_id}/ledger").json()["items"]
        return [line for line in found if line["kind"] == kind]

    def write(self, kind: str, **body: Any) -> dict[str, Any]:
        """Another application writes: `Customer`, `Invoice` …"""
        return self._called("POST", kind.lower(), body)[kind]

    def read(self, kind: str, qb_id: str) -> dict[str, Any]:
        return self._called("GET", f"{kind.lower()}/{qb_id}", None)[kind]

    def _called(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        self._token = self._token or self._consent_of_another()
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        answer = self._control.request(method, f"/v3/company/{self._realm_id}/{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def _consent_of_another(self) -> str:
        asked = {
            "client_id": "sandbox-app",
            "response_type": "code",
            "scope": "com.intuit.quickbooks.accounting",
            "redirect_uri": CALLBACK,
            "state": "s",
        }
        code = self.consent(f"{self._quickbooks.url}/connect/oauth2?{urlencode(asked)}")["code"]
        answer = self._control.post(
            "/oauth2/v1/tokens/bearer",
            auth=("sandbox-app", PROVIDER_KEY),
            data={"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK},
        )
        return str(answer.json()["access_token"])
