"""Building and launching a campaign as a person would."""

from typing import Any

from shared.testing import until

from harness.system import System

WORDINGS = (
    "Hi {first_name|there}, Attack-a-Crack here: free crack check on your street this week. Reply STOP to opt out.",
    "Hello {first_name|neighbor}, this is Attack-a-Crack. Cracks in the basement? Reply YES, or STOP to opt out.",
)


async def draft(system: System, list_id: str, **timetable: Any) -> str:
    """A draft of two variants with its audience built; returns the campaign's id."""
    numbers = [number["id"] for number in await system.numbers()]
    body = {
        "name": f"Campaign on {list_id[-6:]}",
        "variants": [{"message": wording} for wording in WORDINGS],
        "number_ids": numbers,
        "weekdays": [0, 1, 2, 3, 4, 5, 6],
        "rate_per_second": 50,
        "daily_cap": 100_000,
        **timetable,
    }
    campaign = str((await system.post("/api/v1/campaigns", body))["id"])
    await system.post(f"/api/v1/campaigns/{campaign}/audience", {"lists": [list_id], "missing_value": "skip"})
    await until(lambda: _ready(system, campaign), within=180, what="the audience is built")
    return campaign


async def _ready(system: System, campaign: str) -> bool:
    audience = await system.get(f"/api/v1/campaigns/{campaign}/audience")
    assert audience["status"] != "failed", audience
    return bool(audience["status"] == "ready")


async def launch(system: System, campaign: str) -> None:
    audience = await system.get(f"/api/v1/campaigns/{campaign}/audience")
    body = {"audience_version": audience["version"]}
    read = await system.public.get(f"/api/v1/campaigns/{campaign}")
    await system.post(f"/api/v1/campaigns/{campaign}/launch", body, **{"If-Match": read.headers["etag"]})


async def results(system: System, campaign: str) -> dict[str, Any]:
    return dict(await system.get(f"/api/v1/campaigns/{campaign}/results"))
