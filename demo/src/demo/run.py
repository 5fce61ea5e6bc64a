"""The story: a list comes in, a campaign goes out over some days, brings money, and everything adds up."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from datetime import time as clock_time
from typing import Any
from urllib.parse import quote

from demo.connection import Connection, Installation, sign_in
from demo.display import Screen, tallies_of
from demo.errors import DemoError
from demo.households import Expected, Households
from demo.money import Money
from demo.pace import LUMP, Pace, Rest
from demo.provider import Provider
from demo.reconciliation import Evidence, Line, Recipient, reconcile
from demo.window import Window

WINDOW = Window(weekdays=range(7), start=clock_time(9), end=clock_time(20))
DAILY_CAP = 500
RATE_PER_SECOND = 50
"""How densely turns are planned; how fast they leave is the provider's limit, which the product keeps by itself."""
LIST_NAME = "Home owners, seed "
CAMPAIGN_NAME = "Free look, seed "
ACTIVE = ("scheduled", "running", "paused")
VARIANTS = (
    {
        "label": "A",
        "message": "Hi {first_name|there}, this is Sam from Attack-a-Crack Foundation Repair. Any cracks or water in"
        " your basement? We look at it for free. Reply STOP to opt out.",
    },
    {
        "label": "B",
        "message": "Hello {first_name}, Attack-a-Crack here: we seal foundation cracks in {city|your town} from $500,"
        " with a lifetime warranty. Shall we come by for a free look? Reply STOP to opt out.",
    },
)
CLOSING = ("opt_out", "suppression")
"""Entries of the consent ledger after which nobody may be texted."""
WATCH_EVERY_SECONDS = 1.0
CATCH_UP_ROUNDS = 12
RECONCILER_SECONDS = 6.0
"""The product's poll for what webhooks did not tell runs every 5 s of real time."""


@dataclass(frozen=True)
class Wishes:
    households: int = 2_000
    seed: int | None = None
    with_faults: bool = False


@dataclass
class Story:
    """What one part of the demo leaves to the next."""

    seed: int
    file: Households
    expected: Expected
    is_first_import: bool
    numbers: list[dict[str, Any]]
    imported: dict[str, Any] = field(default_factory=dict)
    campaign_id: str = ""
    audience: dict[str, Any] = field(default_factory=dict)
    launched_at: datetime | None = None


class Demo:
    def __init__(self, installation: Installation, wishes: Wishes, screen: Screen) -> None:
        self._installation = installation
        self._wishes = wishes
        self._screen = screen
        self._provider = Provider(installation)

    def run(self) -> list[Line]:
        """Tell it all; returns the table's lines, or none where there was nobody to text."""
        self._api = self._sign_in()
        self._clear_the_way()
        story = self._prepare()
        landlines = [person.phone for person in story.expected.people.values() if person.is_landline]
        before = self._provider.behave(seed=story.seed, landlines=landlines, with_faults=self._wishes.with_faults)
        try:
            self._hear_from_some(story)
            self._import(story)
            self._build(story)
            if not story.audience["counts"]["waiting"]:
                self._explain_empty(story)
                return []
            broken_before = self._provider.broken_deliveries()
            self._launch(story)
            evidence = self._gather(story)
            if self._wishes.with_faults:
                self._show_faults(evidence, broken_before)
            money = Money(self._installation, self._api, self._screen, story.campaign_id).run()
        finally:
            self._provider.restore(before)
        lines = [*reconcile(evidence), *money]
        self._screen.verdict(lines)
        return lines

    def _sign_in(self) -> Connection:
        self._screen.step("Signing in")
        api = sign_in(self._installation)
        health = api.get("/api/v1/system/health")
        if health["mode"] != "sandbox":
            raise DemoError(
                f"This system is in {health['mode']} mode; the demo moves the clock and texts in sandbox only."
            )
        silent = [name for name, part in health["services"].items() if part["backlog"] is None]
        if silent or health["sandbox"] is None or health["sandbox"]["backlog"] is None:
            raise DemoError(
                f"Not everything runs ({', '.join(silent) or 'sandbox'}): see `make status` and `make logs`."
            )
        self._screen.say(f"{api.base_url}, as admin; {'with' if self._wishes.with_faults else 'without'} faults.")
        return api

    def _clear_the_way(self) -> None:
        """Texts of another campaign would share the numbers' days and stand in the same ledger."""
        for status in ACTIVE:
            for campaign in list(self._api.pages("/api/v1/campaigns", status=status)):
                if not campaign["name"].startswith(CAMPAIGN_NAME):
                    raise DemoError(f"The campaign {campaign['name']!r} is {status}: finish or cancel it first.")
                self._screen.say("A run that was interrupted left its campaign behind; it is cancelled.")
                self._api.post(f"/api/v1/campaigns/{campaign['id']}/cancel")
        Pace(self._api, lambda: None).settle()

    def _prepare(self) -> Story:
        used = self._used_seeds()
        seed = self._wishes.seed if self._wishes.seed is not None else max(used, default=0) + 1
        file = Households(self._wishes.households, seed)
        numbers = [number for number in self._api.pages("/api/v1/phone-numbers") if number["is_active"]][:2]
        if len(numbers) < 2:
            raise DemoError("The demo sends from two numbers, and the system has not learned of them yet; try again.")
        for number in numbers:
            if number["daily_cap"] != DAILY_CAP:
                path = f"/api/v1/phone-numbers/{number['id']}"
                self._api.patch(path, {"daily_cap": DAILY_CAP}, version=number["version"])
        return Story(seed, file, file.expected(), seed not in used, numbers)

    def _used_seeds(self) -> set[int]:
        names = (item["name"] for item in self._api.pages("/api/v1/imports"))
        found = (name.removeprefix(LIST_NAME) for name in names if name.startswith(LIST_NAME))
        return {int(seed) for seed in found if seed.isdigit()}

    def _hear_from_some(self, story: Story) -> None:
        """Some of the list have written before, and some of those want no texts: the audience must leave them out."""
        if not story.is_first_import:
            return
        people = list(story.expected.people.values())
        step = max(1, len(people) // 20)
        for number, person in enumerate(people[3::step][:20]):
            words = "STOP" if number % 5 == 0 else "Hi, do you also repair bulkheads?"
            self._provider.text_from(person.phone, story.numbers[number % 2]["e164"], words)
        Pace(self._api, lambda: None).settle()

    # Import

    def _import(self, story: Story) -> None:
        self._screen.step(f"Importing a PropertyRadar list of {story.file.rows:,} households (seed {story.seed})")
        draft = {"name": f"{LIST_NAME}{story.seed}", "filename": f"homes-{story.seed}.csv", "preset": "property_radar"}
        path = f"/api/v1/imports/{self._api.post('/api/v1/imports', draft)['id']}"
        self._api.upload(f"{path}/file", story.file.chunks())
        preview = self._api.get(f"{path}/preview")
        problems = ", ".join(f"{count} × {reason}" for reason, count in preview["problems"].items()) or "none"
        self._screen.say(
            f"Preview: {preview['rows']:,} rows, {preview['encoding']}, {len(preview['columns'])} columns recognised;"
            f" in the first {preview['checked_rows']:,} rows {preview['warned_rows']:,} with a cell that is left out,"
            f" to be rejected: {problems}"
        )
        job = self._api.post(f"{path}/confirm")
        with self._screen.progress("Importing", story.file.rows) as meter:
            while job["status"] not in ("completed", "cancelled", "failed"):
                time.sleep(0.3)
                job = self._api.get(path)
                meter.update(job["processed"])
        if job["status"] != "completed":
            raise DemoError(f"The import ended as {job['status']}.")
        story.imported = job
        self._screen.table(
            ("created", "updated", "unchanged", "rejected", "with a warning"),
            [[job[name] for name in ("created", "updated", "unchanged", "rejected", "warned")]],
        )
        people, homes = job["contacts"], job["properties"]
        self._screen.say(f"New: {people['created']:,} contacts, {homes['created']:,} properties.")

    # Campaign

    def _build(self, story: Story) -> None:
        self._screen.step("Building a campaign with two variants")
        campaign = self._api.post(
            "/api/v1/campaigns",
            {
                "name": f"{CAMPAIGN_NAME}{story.seed}",
                "variants": VARIANTS,
                "number_ids": [number["id"] for number in story.numbers],
                "weekdays": list(WINDOW.weekdays),
                "window_start": WINDOW.start.isoformat(),
                "window_end": WINDOW.end.isoformat(),
                "daily_cap": DAILY_CAP,
                "rate_per_second": RATE_PER_SECOND,
            },
        )
        story.campaign_id = campaign["id"]
        Pace(self._api, lambda: None).settle()
        story.audience = self._build_audience(story)
        self._show_audience(story)

    def _build_audience(self, story: Story) -> dict[str, Any]:
        path = f"/api/v1/campaigns/{story.campaign_id}/audience"
        audience: dict[str, Any] = self._api.post(path, {"lists": [story.imported["list_id"]], "missing_value": "skip"})
        deadline = time.monotonic() + 60
        while audience["status"] == "building" and time.monotonic() < deadline:
            time.sleep(0.3)
            audience = self._api.get(path)
        if audience["status"] != "ready":
            raise DemoError(f"The audience is {audience['status']}: {audience['error'] or 'it takes too long'}.")
        return audience

    def _show_audience(self, story: Story) -> None:
        audience, path = story.audience, f"/api/v1/campaigns/{story.campaign_id}"
        excluded = sorted(((why, n) for why, n in audience["exclusions"].items() if n), key=lambda item: -item[1])
        self._screen.say(f"{audience['total']:,} people on the list; what each exclusion removes:")
        self._screen.table(
            ("reason", "people"),
            [
                *((reason.replace("_", " "), count) for reason, count in excluded),
                ("to be texted", audience["counts"]["waiting"]),
            ],
        )
        self._screen.table(
            ("variant", "people", "segments", "longest text"),
            [
                (v["variant"], v["recipients"], v["segments"], f"{v['longest_segments']} segments")
                for v in audience["variants"]
            ],
        )
        self._screen.say(f"{audience['segments']:,} segments, ${audience['cost']}")
        for item in self._api.get(f"{path}/preview", limit=1)["random"]:
            self._screen.say(f"[dim]for instance: {item['text']}[/dim]")
        plan = self._api.get(f"{path}/simulation")
        days = ", ".join(f"{day['texts']:,} on {day['on']}" for day in plan["days"])
        self._screen.say(f"Simulated: {days or 'no texts'}; finished {plan['finishes_at'] or 'never'}")

    def _explain_empty(self, story: Story) -> None:
        self._screen.step("There is nobody to text, and that is right")
        self._screen.say(
            f"The list of seed {story.seed} was texted before, and nobody is texted twice within 30 days."
            " Leave out --seed, and the next run takes a list with new people."
        )

    # Launch and the days after it

    def _launch(self, story: Story) -> None:
        path = f"/api/v1/campaigns/{story.campaign_id}"
        self._screen.step(f"Launching from two numbers at {DAILY_CAP} a day each; days pass in seconds")
        waiting = story.audience["counts"]["waiting"]
        with self._screen.progress("Campaign", waiting) as meter:
            watch = _Watch(self._api, path, meter)
            pace = Pace(self._api, watch)
            watch.now = pace.now
            story.launched_at = pace.now
            self._api.post(f"{path}/launch", {"audience_version": story.audience["version"]})
            began = time.monotonic()
            self._run_to_the_end(story, pace, watch)
            self._catch_up(story, pace, watch)
            watch.look()
        took = time.monotonic() - began
        days = (pace.now - story.launched_at).total_seconds() / 86_400
        self._screen.say(f"{days:.1f} days in {took:.0f} s and {pace.steps} steps of the clock.")

    def _run_to_the_end(self, story: Story, pace: Pace, watch: "_Watch") -> None:
        have_some_stopped = False
        while watch.look()["status"] != "completed":
            self._lift_breaker()
            rest = pace.advance()
            watch.now = pace.now
            if not have_some_stopped and watch.results["counts"]["sent"] + watch.results["counts"]["delivered"]:
                have_some_stopped = True
                self._let_some_stop(story)
                self._wait_until_heard(story, pace, watch)
            _check_moving(watch.results, rest)

    def _let_some_stop(self, story: Story) -> None:
        """People who still wait for their text ask not to get any: none of them may get one."""
        page = self._api.get(f"/api/v1/campaigns/{story.campaign_id}/recipients", status="waiting", limit=8)
        for number, recipient in enumerate(page["items"]):
            words = "STOP" if number % 2 else "Please take me off this list"
            self._provider.text_from(recipient["phone"], story.numbers[number % 2]["e164"], words)

    def _wait_until_heard(self, story: Story, pace: Pace, watch: "_Watch") -> None:
        """What no webhook told, the reconciler finds: minutes of the system's time, and a poll of real time."""
        for _ in range(CATCH_UP_ROUNDS):
            pace.settle()
            if self._asked_to_stop(story) <= self._opted_out():
                return
            pace.move_to(pace.now + LUMP)
            watch.now = pace.now
            time.sleep(RECONCILER_SECONDS)

    def _lift_breaker(self) -> None:
        """What an operator does after a look at the failures."""
        for hold in self._api.pages("/api/v1/sending-holds", in_place="true"):
            if hold["source"] == "breaker":
                self._screen.say(f"The breaker had stopped sending: {hold['reason']} Lifted after a look.")
                self._api.post(f"/api/v1/sending-holds/{hold['id']}/lift")

    def _catch_up(self, story: Story, pace: Pace, watch: "_Watch") -> None:
        """Late replies and receipts come in; what webhooks lost, the product finds by asking."""
        for _ in range(CATCH_UP_ROUNDS):
            rest = pace.advance()
            watch.now = pace.now
            if rest.sandbox_due_at is None and self._is_told_all(story, watch.look()):
                return
            if rest.sandbox_due_at is None:
                time.sleep(RECONCILER_SECONDS)

    def _is_told_all(self, story: Story, results: dict[str, Any]) -> bool:
        """Whether the product knows the end of every text, and every opt-out, that the provider knows."""
        if results["counts"]["sent"]:
            return False
        return self._asked_to_stop(story) <= self._opted_out()

    def _asked_to_stop(self, story: Story) -> frozenset[str]:
        assert story.launched_at is not None  # noqa: S101 - set by the launch just before
        return frozenset(text.sender for text in self._provider.incoming_since(story.launched_at) if text.is_opt_out)

    def _opted_out(self) -> frozenset[str]:
        return frozenset(item["phone"] for item in self._api.pages("/api/v1/opt-outs") if item["is_opted_out"])

    def _gather(self, story: Story) -> Evidence:
        self._screen.step("Comparing with the provider's ledger")
        assert story.launched_at is not None  # noqa: S101 - nothing is compared before the launch
        path = f"/api/v1/campaigns/{story.campaign_id}"
        opted_out = self._opted_out()
        return Evidence(
            expected=story.expected,
            is_first_import=story.is_first_import,
            imported=story.imported,
            results=self._api.get(f"{path}/results"),
            recipients=[Recipient.of(item) for item in self._api.pages(f"{path}/recipients")],
            sent=self._provider.sent_since(story.launched_at),
            incoming=self._provider.incoming_since(story.launched_at),
            opted_out=opted_out,
            recorded={phone: self._recorded_at(phone) for phone in self._asked_to_stop(story) & opted_out},
            window=WINDOW,
        )

    def _recorded_at(self, phone: str) -> datetime:
        """When the product first wrote down that this person wants no texts."""
        entries = self._api.get(f"/api/v1/consent/{quote(phone)}")["entries"]
        return min(datetime.fromisoformat(entry["recorded_at"]) for entry in entries if entry["action"] in CLOSING)

    def _show_faults(self, evidence: Evidence, broken_before: dict[str, int]) -> None:
        answers = Counter(text.fault for text in evidence.sent if text.fault)
        broken = Counter(self._provider.broken_deliveries()) - Counter(broken_before)
        named = [f"{count:,} × {fault.replace('_', ' ')}" for fault, count in sorted(answers.items())]
        self._screen.say(f"Answers that went wrong although the text went out: {', '.join(named) or 'none'}.")
        named = [f"{count:,} {fault.replace('_', ' ')}" for fault, count in sorted(broken.items())]
        self._screen.say(f"Webhooks that went wrong: {', '.join(named) or 'none'}.")


class _Watch:
    """Reads the campaign's results, at most once a second, and shows them."""

    def __init__(self, api: Connection, path: str, meter: Any) -> None:
        self._api = api
        self._path = f"{path}/results"
        self._meter = meter
        self._looked_at = 0.0
        self.now: datetime | None = None
        self.results: dict[str, Any] = {}

    def __call__(self) -> None:
        if time.monotonic() > self._looked_at + WATCH_EVERY_SECONDS:
            self.look()

    def look(self) -> dict[str, Any]:
        self.results = self._api.get(self._path)
        self._looked_at = time.monotonic()
        tallies = tallies_of(self.results)
        counts = self.results["counts"]
        done = self.results["total"] - counts["excluded"] - tallies["waiting"]
        self._meter.update(done, tallies, self.now)
        return self.results


def _check_moving(results: dict[str, Any], rest: Rest) -> None:
    """A campaign that waits for nothing would wait for ever."""
    if rest.is_over and results["status"] != "completed" and not results["counts"]["unknown"]:
        raise DemoError(f"The campaign is {results['status']}, and nothing is planned any more.")
