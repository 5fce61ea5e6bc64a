"""Billing at work beside its served application, and the QuickBooks that it keeps books in."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import svcs
from billing.jobs import JOBS
from billing.models import Base
from billing.services.people import PeopleService
from billing.spec import SPEC
from shared.database import Begin
from shared.events.contacts import ContactChanged, PropertyChanged
from shared.jobs import Backlog
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from contract.boundaries import CONTROL_KEY, Boundary

PERSON = "9a3c8f50-0000-7000-8000-000000000001"
"""Who consents: a consent is brought back by whoever began it."""
SETTLE_SECONDS = 30
Row = TypeVar("Row", bound=Base)
T = TypeVar("T")


class Desk:
    """`realm_id` is a company of this desk alone, in a sandbox that others may use too."""

    def __init__(self, quickbooks: Boundary, realm_id: str) -> None:
        self._quickbooks = quickbooks
        self.realm_id = realm_id
        self._token = "none yet"
        self.settings: dict[str, Any] = {}
        """Of the served application; the fixture's `seed` hands them over."""

    @contextmanager
    def opened(self) -> Iterator[Self]:
        with self._quickbooks.client({"X-Sandbox-Key": CONTROL_KEY}) as self._control, self._at_work():
            self._company("", method="POST", realm_id=self.realm_id, name="Contract Foundation Repair")
            yield self

    @contextmanager
    def configured(self, **settings: Any) -> Iterator[Self]:
        """The same desk, whose own work is done with other settings."""
        other = copy(self)
        other.settings = self.settings | settings
        with other._at_work():
            yield other

    # What billing does by itself

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with asyncio.Runner() as self._runner:
            registry = self._registry()
            self._container = svcs.Container(registry)
            yield
            self._runner.run(self._container.aclose())
            self._runner.run(registry.aclose())

    def _registry(self) -> svcs.Registry:
        return SPEC.registry(SPEC.settings(**self.settings))

    def within(self, doing: Callable[[svcs.Container], Coroutine[Any, Any, T]]) -> T:
        return self._runner.run(doing(self._container))

    def at_once(self, doing: Callable[[svcs.Container], Coroutine[Any, Any, T]], *, processes: int) -> list[T]:
        """What it comes to in each of so many processes, as it were."""

        async def do_one() -> T:
            registry = self._registry()
            async with svcs.Container(registry) as container:
                done = await doing(container)
            await registry.aclose()
            return done

        async def do_all() -> list[T]:
            return list(await asyncio.gather(*(do_one() for _ in range(processes))))

        return self._runner.run(do_all())

    def learn(self, contacts: ContactChanged | None = None, properties: PropertyChanged | None = None) -> None:
        """What contacts tells."""

        async def record(container: svcs.Container) -> None:
            async with (await container.aget(Begin))() as tx:
                people = await tx.aget(PeopleService)
                if contacts:
                    await people.record_changes([contacts])
                if properties:
                    await people.record_properties([properties])

        self.within(record)

    def work(self) -> None:
        """Every job until a whole round finds nothing to do."""
        self.within(_work)

    def settle(self) -> None:
        """Until QuickBooks has told of all that changed, and nothing is left to do about it."""
        self.within(self._settled)

    async def _settled(self, container: svcs.Container) -> None:
        backlog = await container.aget(Backlog)
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            is_told = self._control.get("/sandbox/v1/queue").json()["idle"]
            done, left = await _work(container), await backlog.counts()
            if is_told and not done and not any(left.values()):
                return
            assert time.monotonic() < deadline, left
            await asyncio.sleep(0.01)

    def rows(self, model: type[Row], *conditions: Any) -> list[Row]:
        """What billing keeps, in the order of its keys."""

        async def look(container: svcs.Container) -> list[Row]:
            async with (await container.aget(Begin))() as tx:
                session = await tx.aget(AsyncSession)
                statement = select(model).where(*conditions).order_by(*inspect(model).primary_key)
                return list(await session.scalars(statement))

        return self.within(look)

    # What people do

    def consent(self, authorize_url: str) -> dict[str, str]:
        """What the browser brings back from this desk's company."""
        back = self._control.get(f"{authorize_url}&realmId={self.realm_id}").headers["location"]
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

    @contextmanager
    def turned(self, **controls: Any) -> Iterator[None]:
        """For a while."""
        before = self._control.get("/sandbox/v1/controls").json()
        self.turn(**controls)
        try:
            yield
        finally:
            self._control.put("/sandbox/v1/controls", json=before).raise_for_status()

    def close_books(self, until: str | None) -> None:
        self._company(f"/{self.realm_id}/settings", method="PATCH", book_close_date=until)

    def people_do(self, path: str, **body: Any) -> dict[str, Any]:
        """Inside QuickBooks: `payments`, `invoice/12/void`, `merge-customers`, `expire-access` …"""
        return self._company(f"/{self.realm_id}/{path}", method="POST", **body)

    def _company(self, path: str, *, method: str, **body: Any) -> dict[str, Any]:
        answer = self._control.request(method, f"/sandbox/v1/quickbooks/companies{path}", json=body or None)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """The writes of a kind that took effect."""
        found = self._control.get(f"/sandbox/v1/quickbooks/companies/{self.realm_id}/ledger").json()["items"]
        return [line for line in found if line["kind"] == kind]

    def write(self, kind: str, **body: Any) -> dict[str, Any]:
        """Another application writes: `Customer`, `Invoice` …"""
        return self._called("POST", kind.lower(), body)[kind]

    def read(self, kind: str, qb_id: str) -> dict[str, Any]:
        return self._called("GET", f"{kind.lower()}/{qb_id}", None)[kind]

    def _called(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        def call() -> httpx.Response:
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            return self._control.request(method, f"/v3/company/{self.realm_id}/{path}", json=body, headers=headers)

        answer = call()
        if answer.status_code == 401:
            self._token = self.people_do("access-token")["access_token"]
            answer = call()
        assert answer.is_success, answer.text
        return dict(answer.json())


async def _work(container: svcs.Container) -> int:
    processes = [await container.aget(job.process) for job in JOBS]
    total = 0
    while done := sum([await process.run_once() for process in processes]):
        total += done
    return total
