"""A launch to many needs a second person."""

from typing import Any

import pytest

from .neighbours import person
from .office import Office


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"approval_above": 2}


async def test_a_large_launch_waits_for_a_second_person(office: Office, client_as) -> None:
    author, colleague = (client_as(["*"], subject=name) for name in ("author", "colleague"))
    office.client = author
    campaign = await office.draft(number_ids=[await office.add_number()])
    built = await office.build(campaign["id"], [person(n) for n in range(3)])
    assert built["needs_approval"]
    assert (await office.launch(campaign["id"])).json()["code"] == "approval_needed"
    own = await office.move(campaign["id"], "approve", audience_version=1)
    assert (own.status_code, own.json()["code"]) == (409, "second_person_needed")

    url = f"/api/v1/campaigns/{campaign['id']}"
    approved = await colleague.post(f"{url}/approve", json={"audience_version": 1})
    assert approved.json()["approved_by"] == "colleague"
    own_launch = await colleague.post(f"{url}/launch", json={"audience_version": 1})
    assert own_launch.json()["code"] == "approval_needed", "the approver alone is one person"

    await office.build(campaign["id"], [person(n) for n in range(4)])
    assert (await office.launch(campaign["id"], 2)).json()["code"] == "approval_needed", "another audience"
    await colleague.post(f"{url}/approve", json={"audience_version": 2})
    assert (await office.launch(campaign["id"], 2)).json()["status"] == "running"
