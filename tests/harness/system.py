"""One running installation: its processes, its public API, the sandbox's controls, its databases."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import httpx
from deploy.stack import Stack
from nats.js.errors import NotFoundError
from shared.clock import rfc3339, wall_now
from shared.embedded import base_of_free_ports
from shared.events import Envelope, Event
from shared.events.campaigns import TextRequested
from shared.ids import uuid7
from shared.rules.state_windows import is_holiday
from shared.testing import settle, until
from shared.testing.waiting import POLL_SECONDS

from harness.counts import count
from harness.databases import Databases
from harness.streams import StreamReader, deploy_client

ADMIN = "admin@crm.local"
EASTERN = ZoneInfo("America/New_York")
SERVICES = ("contacts", "campaigns", "messaging", "billing")
WORKERS = ("contacts-worker", "campaigns-worker", "messaging-worker", "billing-worker", "gateway-worker")
ACK_WAIT_SECONDS = 3
"""What a consumer that died holds comes again after this; thirty seconds prove nothing more."""


def _is_working_day(day: date) -> bool:
    return day.weekday() < 5 and not is_holiday(day)


@dataclass
class System:
    """A running stack. `public` speaks to the gateway as the administrator, `sandbox` to the provider's controls."""

    stack: Stack
    public: httpx.AsyncClient
    sandbox: httpx.AsyncClient
    inside: httpx.AsyncClient
    databases: Databases
    streams: StreamReader
    published_by_tests: set[str] = field(default_factory=set)
    """Ids of events that no outbox knows."""
    played: set[UUID] = field(default_factory=set)
    """Ids of what only a test knows, which speaks for the owner."""
    _phones: int = field(default_factory=lambda: int(uuid4().int % 7_000) * 100)

    @classmethod
    @asynccontextmanager
    async def running(
        cls, settings: Mapping[str, str] | None = None, *, is_watched: bool = False
    ) -> AsyncIterator["System"]:
        """A stack of its own on free ports with a state folder of its own; both gone at the end.

        One that is watched keeps what the invariants want to know, and does not wait long for the dead.
        """
        with (
            tempfile.TemporaryDirectory(prefix="crm-", ignore_cleanup_errors=True) as folder,
            base_of_free_ports(range(70)) as base,
        ):
            # PostgreSQL refuses to be root: its user must be able to pass through.
            Path(folder).chmod(0o711)  # noqa: ASYNC240 - before anything runs that could be held up
            state_dir = Path(folder) / "state"
            write_settings(state_dir, settings or {})
            stack = Stack(state_dir, port=base + 69, port_base=base)
            try:
                if is_watched:
                    await asyncio.to_thread(keep_commit_times, stack)
                await asyncio.to_thread(stack.up)
                if is_watched:
                    await set_ack_waits(stack, ACK_WAIT_SECONDS)
                async with cls._clients(stack) as system:
                    await system.sign_in()
                    yield system
            finally:
                await asyncio.to_thread(stack.down)

    @classmethod
    @asynccontextmanager
    async def _clients(cls, stack: Stack) -> AsyncIterator["System"]:
        sandbox_env = stack.env_for("sandbox-api")
        async with (
            httpx.AsyncClient(base_url=stack.url, timeout=30) as public,
            httpx.AsyncClient(
                base_url=sandbox_env["CRM_OPENPHONE_URL"],
                headers={"X-Sandbox-Key": sandbox_env["CRM_SANDBOX_KEY"]},
                timeout=30,
            ) as sandbox,
            # No connection is kept: what it asks may be killed at any moment.
            httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), timeout=10) as inside,
            Databases(stack) as databases,
        ):
            yield cls(stack, public, sandbox, inside, databases, StreamReader(stack))

    async def sign_in(self) -> None:
        password = self.stack.admin_password_file.read_text().strip()
        answer = await self.public.post(
            "/api/v1/session", json={"email": ADMIN, "password": password, "kind": "bearer"}
        )
        answer.raise_for_status()
        self.public.headers["Authorization"] = f"Bearer {answer.json()['token']}"

    @asynccontextmanager
    async def colleague(self, email: str) -> AsyncIterator["System"]:
        """The same installation as another person with the administrator's rights sees it."""
        password = f"the password of {email}"
        invite = await self.post("/api/v1/invites", {"email": email, "name": "Colleague", "role": "admin"})
        await self.post("/public/invites/acceptance", {"token": invite["token"], "password": password})
        async with httpx.AsyncClient(base_url=self.stack.url, timeout=30) as public:
            answer = await public.post("/api/v1/session", json={"email": email, "password": password, "kind": "bearer"})
            public.headers["Authorization"] = f"Bearer {_body(answer)['token']}"
            yield replace(self, public=public)

    # --- HTTP

    async def get(self, path: str, **params: Any) -> Any:
        return _body(await self.public.get(path, params=params))

    async def post(self, path: str, json: Any = None, **headers: str) -> Any:
        return _body(await self.public.post(path, json=json, headers=headers))

    # --- Time and rest

    async def idle_reports(self) -> list[dict[str, Any]]:
        """What each worker and the sandbox say about being idle; raises httpx.HTTPError where one can't say."""
        bases = [self._worker_url(name) for name in WORKERS] + [str(self.sandbox.base_url)]
        answers = await asyncio.gather(*(self.inside.get(f"{base}/internal/v1/idle") for base in bases))
        return [answer.raise_for_status().json() for answer in answers]

    def _worker_url(self, process: str) -> str:
        service = process.removesuffix("-worker").upper()
        return self.stack.env_for("messaging-api")[f"CRM_{service}_WORKER_URL"]

    async def settle(self, within: float = count(120, 600), every: float = POLL_SECONDS) -> None:
        """Return once nothing is left to do at this instant of domain time."""
        await settle(self.idle_reports, within=within, every=every)

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.get("/api/v1/system/clock"))["now"])

    async def move_clock(self, to: datetime) -> None:
        """Move domain time to `to`; does nothing where it has got there by itself."""
        answer = await self.public.put("/api/v1/system/clock", json={"at": rfc3339(to)})
        if answer.status_code != 409 or answer.json()["code"] != "clock_cannot_move":
            _body(answer)

    async def advance(self, **by: float) -> None:
        """Move domain time, stopping at each moment at which something falls due, and settle in between."""
        target = await self.now() + timedelta(**by)
        await self.settle()
        while (now := await self.now()) < target:
            due = [r["next_due_at"] for r in await self.idle_reports() if r["next_due_at"]]
            nearest = min((datetime.fromisoformat(at) for at in due), default=target)
            await self.move_clock(min(max(nearest, now + timedelta(seconds=1)), target))
            await self.settle()

    async def daytime(self) -> None:
        """Make it a time when everybody from Maine to Hawaii may be texted: a working day, 14 to 17 h in New York."""
        local = (await self.now()).astimezone(EASTERN)
        if _is_working_day(local.date()) and time(14) <= local.time() < time(17):
            return
        day = local.date() if local.time() < time(14) else local.date() + timedelta(days=1)
        while not _is_working_day(day):
            day += timedelta(days=1)
        await self.move_clock(datetime.combine(day, time(14, 15), EASTERN).astimezone(UTC))

    # --- Processes

    async def kill(self, process: str, number: signal.Signals = signal.SIGKILL) -> int:
        return await asyncio.to_thread(self.stack.kill, process, number)

    async def restart_with(self, process: str, **env: str | None) -> int:
        """Kill a process and let the supervisor start it with other variables (None takes one away); returns its id.

        Killed, because one that is asked to stop takes a while, and all of them have to bear this anyhow.
        """
        pid = await self._restart(process, env)
        await asyncio.to_thread(self.stack.wait_ready, process)
        return pid

    async def arm(self, process: str, failpoints: str) -> int:
        """Restart `process` so that it dies (or freezes) at a failpoint, once; returns its process id.

        The supervisor starts the one that died again, without the failpoint.
        """
        pid = await self._restart(process, {"CRM_FAILPOINTS": failpoints})
        self.stack.set_env(process, {"CRM_FAILPOINTS": None})
        await asyncio.to_thread(self.stack.wait_ready, process)
        return pid

    async def _restart(self, process: str, env: Mapping[str, str | None]) -> int:
        self.stack.set_env(process, env)
        # One that is armed may die by itself at this very moment; its successor has the new variables all the same.
        pid = (await asyncio.to_thread(self.stack.status))[process].pid
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return await self._successor(process, pid)

    async def _successor(self, process: str, pid: int) -> int:
        """The process that the supervisor has started in place of that one; it may not serve yet."""

        async def started() -> int:
            found = (await asyncio.to_thread(self.stack.status))[process].pid
            return found if found != pid and has_its_environment(found) else 0

        return await until(started, what=f"the supervisor restarts {process}")

    async def wait_restarted(self, process: str, pid: int, within: float = 60) -> None:
        """Return once that very process has died and the supervisor's next one serves."""
        await until(lambda: not is_alive(pid), within=within, what=f"{process} ({pid}) dies")
        await self._successor(process, pid)
        await asyncio.to_thread(self.stack.wait_ready, process)

    async def stop(self, *processes: str) -> None:
        await asyncio.to_thread(self.stack.stop, *processes)

    async def start(self, *processes: str) -> None:
        await asyncio.to_thread(self.stack.start, *processes)

    # --- Databases and events

    async def rows(self, database: str, sql: str, *values: Any) -> list[Any]:
        """Read a service's database as the superuser: the tests' own eyes, not the product's."""
        return await self.databases.fetch(database, sql, *values)

    async def value(self, database: str, sql: str, *values: Any) -> Any:
        return (await self.rows(database, sql, *values))[0][0]

    async def publish(self, *events: Event, copies: int = 1) -> None:
        """Put events on their streams as their publishers would; more copies are late repeats of the same event."""
        envelopes = [
            Envelope(
                id=uuid7(),
                type=event.type,
                source="/crm/test",
                subject=event.subject_id,
                time=wall_now(),
                data=event.model_dump(mode="json"),
            )
            for event in events
        ]
        self.published_by_tests |= {str(envelope.id) for envelope in envelopes}
        async with deploy_client(self.stack) as client:
            for envelope in envelopes:
                for _ in range(copies):
                    await client.jetstream().publish(
                        envelope.type, envelope.model_dump_json(exclude_none=True).encode()
                    )

    # --- Texting

    def phones(self, how_many: int) -> list[str]:
        """Numbers in Boston that no other test has used."""
        first = self._phones
        self._phones += how_many
        return [f"+1617{200 + (first + n) // 10_000 % 700:03d}{(first + n) % 10_000:04d}" for n in range(how_many)]

    async def number_id(self) -> UUID:
        """The first sending number, with room for many texts a day."""
        return UUID((await self.numbers())[0]["id"])

    async def numbers(self) -> list[dict[str, Any]]:
        """Our sending numbers: read from the provider soon after the start, not at once."""
        return await until(self._numbers, what="the provider's numbers are known")

    async def _numbers(self) -> list[dict[str, Any]]:
        return list((await self.get("/api/v1/phone-numbers"))["items"])

    async def request_texts(self, phones: list[str], *, text: str = "", copies: int = 1) -> list[UUID]:
        """Ask messaging for one campaign text to each phone, as campaigns does; returns the message ids."""
        requests = await self.text_requests(phones, text=text)
        await self.publish(*requests, copies=copies)
        return [request.message_id for request in requests]

    async def text_requests(
        self, phones: list[str], *, text: str = "", campaign_id: UUID | None = None, turn: int = 1
    ) -> list[TextRequested]:
        number_id, now = await self.number_id(), await self.now()
        campaign_id = self.made_up(campaign_id)
        return [
            TextRequested(
                message_id=uuid4(),
                campaign_id=campaign_id,
                variant="A",
                recipient_id=uuid4(),
                contact_id=self.made_up(),
                step=1,
                turn=turn,
                to=phone,
                number_id=number_id,
                zones=["America/New_York"],
                region="MA",
                text=text or f"Hello {phone[-4:]}, this is Attack-a-Crack. Reply STOP to opt out.",
                not_before=now,
                expires_at=now + timedelta(minutes=15),
            )
            for phone in phones
        ]

    def made_up(self, known: UUID | None = None) -> UUID:
        """The id of something whose owner a test plays: the owner itself has never heard of it."""
        self.played.add(found := known or uuid4())
        return found

    async def statuses(self, ids: list[UUID]) -> dict[UUID, str]:
        found = await self.rows("messaging", "SELECT id, status FROM message WHERE id = ANY($1)", ids)
        return {row["id"]: row["status"] for row in found}

    async def ledger(self, phones: list[str]) -> dict[str, int]:
        """Phone → texts that the provider accepted for it."""
        found = await self.rows(
            "sandbox", "SELECT recipient, count(*) AS n FROM ledger WHERE recipient = ANY($1) GROUP BY 1", phones
        )
        return {row["recipient"]: row["n"] for row in found}

    async def faults(self, chosen: dict[str, list[str]]) -> None:
        """Phone → how the provider's next attempts for it go wrong, the first first."""
        await self.controls(faults={"recipients": {phone: {"send": send} for phone, send in chosen.items()}})

    async def controls(self, **changes: Any) -> None:
        _body(await self.sandbox.patch("/sandbox/v1/controls", json=changes))

    async def reset_controls(self) -> None:
        _body(await self.sandbox.put("/sandbox/v1/controls", json={}))

    async def text_us(self, phone: str, text: str) -> None:
        """Somebody outside texts our number."""
        workspace = _body(await self.sandbox.get("/sandbox/v1/workspace"))
        new = {"from": phone, "to": workspace["numbers"][0]["id"], "text": text}
        _body(await self.sandbox.post("/sandbox/v1/inbound", json=new))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def has_its_environment(pid: int) -> bool:
    """Whether what the supervisor started has read its settings and become the process itself."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Between its fork and its exec it still looks like the supervisor itself.
    return bool(command) and b"tether" not in command and b"supervisord" not in command


def keep_commit_times(stack: Stack) -> None:
    """Let the database remember when it committed what: the invariants compare it with what the provider received."""
    stack.claim_folder()
    stack.postgres.initialise()
    with (stack.postgres.data_dir / "postgresql.auto.conf").open("a") as file:
        file.write("track_commit_timestamp = on\n")


async def set_ack_waits(stack: Stack, seconds: float) -> None:
    """How long what a consumer holds stays its own."""
    async with deploy_client(stack) as client:
        jetstream = client.jetstream()
        for stream in map(str.upper, SERVICES):
            for service in SERVICES:
                try:
                    config = (await jetstream.consumer_info(stream, service)).config
                except NotFoundError:
                    continue
                await jetstream.add_consumer(stream, config.evolve(ack_wait=seconds))


def write_settings(state_dir: Path, settings: Mapping[str, str]) -> None:
    """What the operator of this installation chose."""
    state_dir.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    (state_dir / "settings.env").write_text(lines)


def _body(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise AssertionError(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}")
    return answer.json() if answer.content else None
