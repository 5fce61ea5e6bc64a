"""Settings, the consent chain, the breaker, sealing, wording."""

from datetime import UTC, datetime, timedelta

import pytest
from messaging.models import ConsentAction, ConsentEntry
from messaging.services.breaker import trip_reason
from messaging.services.consent import standing_entry, verify_chain
from messaging.settings import MessagingSettings
from messaging.states import Status
from messaging.wording import confirmation, help_text
from pydantic import ValidationError
from shared.rules.segments import count_segments

AT = datetime(2031, 3, 4, 17, tzinfo=UTC)


def settings(**values: object) -> MessagingSettings:
    required = {"database_url": "postgresql+asyncpg://x", "openphone_api_key": "key"}
    return MessagingSettings(**(required | values))


@pytest.mark.parametrize("url", ["https://api.quo.com", "https://api.openphone.com"])
def test_sandbox_mode_refuses_the_real_provider(url: str) -> None:
    with pytest.raises(ValidationError, match="never talks to the real provider"):
        settings(openphone_url=url)
    assert settings(openphone_url=url, mode="live").mode == "live"


def test_the_webhook_address_follows_the_service_in_sandbox_mode_only() -> None:
    assert settings().webhook_url.endswith("/webhooks/openphone")
    assert settings(mode="live", openphone_url="https://api.quo.com").webhook_url == ""


def test_trial_mode_without_a_team_texts_nobody() -> None:
    assert settings(mode="trial", openphone_url="https://api.quo.com").allowed_phones == frozenset()


def entries(count: int) -> list[ConsentEntry]:
    chain, previous = [], ""
    for version in range(1, count + 1):
        entry = ConsentEntry(
            seq=version * 10,
            phone="+16175550143",
            version=version,
            action=ConsentAction.OPT_OUT,
            purpose="all",
            source="person",
            evidence=f"call {version}",
            is_effective=True,
            occurred_at=AT,
            recorded_at=AT + timedelta(seconds=version),
        )
        entry.seal(previous)
        previous = entry.hash
        chain.append(entry)
    return chain


def test_an_untouched_chain_holds() -> None:
    assert verify_chain(entries(4)) == []


def test_a_changed_entry_is_found() -> None:
    chain = entries(4)
    chain[1].evidence = "never happened"
    assert verify_chain(chain) == [20]


def test_a_removed_entry_is_found() -> None:
    chain = entries(4)
    del chain[1]
    assert verify_chain(chain) == [30, 40]


@pytest.mark.parametrize(
    ("counts", "trips"),
    [
        ({Status.DELIVERED: 100}, False),
        ({Status.FAILED: 49}, False),
        ({Status.FAILED: 26, Status.DELIVERED: 24}, True),
        ({Status.UNKNOWN: 4, Status.DELIVERED: 196}, False),
        ({Status.UNKNOWN: 5, Status.DELIVERED: 195}, True),
        ({Status.NOT_FOUND: 3, Status.REVIEW: 2, Status.ACCEPTED: 195}, True),
        # Four of fifty are many, but still chance.
        ({Status.UNKNOWN: 4, Status.DELIVERED: 46}, False),
    ],
)
def test_the_breaker_trips_on_shares_of_enough_texts(counts: dict[Status, int], trips: bool) -> None:
    assert (trip_reason(counts, settings()) is not None) is trips


def test_what_the_system_says_itself_fits_one_segment() -> None:
    for words in (confirmation("Attack-a-Crack Foundation Repair"), help_text("Attack-a-Crack", "+16175550100")):
        assert count_segments(words).segments == 1


def entry(action: ConsentAction, *, is_effective: bool = True) -> ConsentEntry:
    return ConsentEntry(action=action, is_effective=is_effective)


def test_the_last_effective_entry_decides_and_a_grant_only_where_nothing_else_was_said() -> None:
    grant, stop = entry(ConsentAction.GRANT), entry(ConsentAction.OPT_OUT)
    late = entry(ConsentAction.OPT_IN, is_effective=False)
    assert standing_entry([]) is None
    assert standing_entry([grant]) is grant
    assert standing_entry([stop, grant]) is stop
    assert standing_entry([stop, late]) is stop
