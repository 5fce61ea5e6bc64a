"""Signatures, opt-out words, faults, lives, personas and retries: functions of their arguments."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sandbox.draw import draw, pick
from sandbox.faults import FaultProfile, SendFault, WebhookFault, send_fault, webhook_fault
from sandbox.life_cycle import LifeProfile, MessageStatus, plan_life, refused_by_carrier, status_at, updated_at
from sandbox.opt_out import STOP_WORDS, Keyword, keyword_of
from sandbox.persona import PersonaProfile, ReplyKind, reply_to
from sandbox.retries import delay_after
from sandbox.signing import Scheme, dated_headers, generate_key, legacy_headers, spoil
from sandbox.workspace import pacific_midnight_before

PHONES = [f"+1617555{number:04}" for number in range(2000)]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_legacy_signature_is_the_published_one() -> None:
    body = b'{"id":"EVtest1","object":"event","apiVersion":"v4","type":"message.received"}'
    headers = legacy_headers("R2ZLM2o0bFhBNVpyUnU2NG9mYXQ1MHNyR3pvSUhIVVg=", 1639710054089, body)
    assert headers == {"openphone-signature": "hmac;1;1639710054089;jwnD6iZaodR1Gz3m/jqjH8e0XMQyL2jEEOeXABCdF74="}


def test_a_dated_signature_is_the_published_one() -> None:
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = dated_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_keys_sign_side_by_side_the_newer_first() -> None:
    old, new = generate_key(Scheme.DATED), generate_key(Scheme.DATED)
    both = dated_headers([new, old], "msg_1", 1, b"{}")["webhook-signature"]
    alone = [dated_headers([key], "msg_1", 1, b"{}")["webhook-signature"] for key in (new, old)]
    assert both == " ".join(alone)


@pytest.mark.parametrize("scheme", list(Scheme))
def test_a_spoilt_signature_keeps_its_form(scheme: Scheme) -> None:
    key = generate_key(scheme)
    good = (
        legacy_headers(key, 1639710054089, b"{}")
        if scheme is Scheme.LEGACY
        else dated_headers([key], "msg_1", 1614265330, b"{}")
    )
    bad = spoil(good)
    assert bad.keys() == good.keys()
    assert bad != good
    name = "openphone-signature" if scheme is Scheme.LEGACY else "webhook-signature"
    assert len(bad[name]) == len(good[name])


@pytest.mark.parametrize("word", sorted(STOP_WORDS))
@pytest.mark.parametrize("write", [str.upper, str.lower, str.title, "  {}\n".format])
def test_the_single_stop_words_are_obeyed(word: str, write: object) -> None:
    assert keyword_of(write(word)) is Keyword.STOP  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["Please stop", "stop.", "STOP PLEASE", "stop texting me", "REVOKE", "opt out", "", "YES"]
)
def test_every_other_wording_is_nothing_to_the_provider(text: str) -> None:
    assert keyword_of(text) is None


@pytest.mark.parametrize("text", ["START", "unstop", " Start "])
def test_start_words_lift_the_block(text: str) -> None:
    assert keyword_of(text) is Keyword.START


def test_a_draw_depends_on_its_arguments_only() -> None:
    assert draw(7, "a", 1) == draw(7, "a", 1)
    assert len({draw(7, "a", 1), draw(8, "a", 1), draw(7, "b", 1), draw(7, "a", 2), draw(7, "a1")}) == 5
    assert 0.48 < sum(draw(1, phone) for phone in PHONES) / len(PHONES) < 0.52


def test_shares_lie_end_to_end() -> None:
    shares = {"a": 0.2, "b": 0.3}
    assert [pick(shares, chance) for chance in (0, 0.19, 0.2, 0.49, 0.5, 0.99)] == ["a", "a", "b", "b", None, None]


def test_without_a_profile_nothing_goes_wrong() -> None:
    profile = FaultProfile()
    assert {send_fault(profile, phone, 1) for phone in PHONES} == {None}
    assert {webhook_fault(profile, "message.received", phone, 1) for phone in PHONES} == {None}


def test_shares_of_faults_are_met_and_repeat() -> None:
    profile = FaultProfile(seed=3, send={SendFault.ERROR_AFTER_ACCEPT: 0.1, SendFault.RATE_LIMITED: 0.2})
    found = [send_fault(profile, phone, 1) for phone in PHONES]
    assert found == [send_fault(profile, phone, 1) for phone in PHONES]
    assert found != [send_fault(profile, phone, 2) for phone in PHONES]
    assert found != [send_fault(profile.model_copy(update={"seed": 4}), phone, 1) for phone in PHONES]
    counts = Counter(found)
    assert 150 < counts[SendFault.ERROR_AFTER_ACCEPT] < 250
    assert 330 < counts[SendFault.RATE_LIMITED] < 470


def test_chosen_faults_go_before_shares_and_end() -> None:
    profile = FaultProfile.model_validate(
        {
            "send": {"error_before_accept": 1.0},
            "recipients": {PHONES[0]: {"send": ["timeout_after_accept", None], "webhook": {"*": "late"}}},
        }
    )
    found = [send_fault(profile, PHONES[0], attempt) for attempt in (1, 2, 3)]
    assert found == [SendFault.TIMEOUT_AFTER_ACCEPT, None, None]
    assert send_fault(profile, PHONES[1], 9) is SendFault.ERROR_BEFORE_ACCEPT
    assert webhook_fault(profile, "message.delivered", PHONES[0], 5) is WebhookFault.LATE


def test_a_burst_of_429_lasts_for_its_length() -> None:
    single = FaultProfile(send={SendFault.RATE_LIMITED: 0.05})
    burst = single.model_copy(update={"rate_limited_burst": 3})
    phone = next(phone for phone in PHONES if send_fault(single, phone, 1))
    later = [attempt for attempt in (2, 3, 4, 5) if send_fault(single, phone, attempt)]
    assert [send_fault(burst, phone, attempt) for attempt in (1, 2, 3)] == [SendFault.RATE_LIMITED] * 3
    assert later or send_fault(burst, phone, 4) is None


@pytest.mark.parametrize("fault", list(SendFault))
def test_only_the_faults_named_so_accept(fault: SendFault) -> None:
    assert fault.is_accepted is fault.value.endswith("after_accept")


def test_a_text_lives_through_its_statuses() -> None:
    life = plan_life(LifeProfile(final_after_seconds=(5, 5)), PHONES[0], 1, NOON)
    seen = [status_at(NOON + timedelta(seconds=seconds), life) for seconds in (0, 1, 4.9, 5, 10**6)]
    assert seen == [
        MessageStatus.QUEUED,
        MessageStatus.SENT,
        MessageStatus.SENT,
        MessageStatus.DELIVERED,
        MessageStatus.DELIVERED,
    ]
    assert updated_at(NOON + timedelta(seconds=3), NOON, life) == NOON + timedelta(seconds=1)


def test_receipts_come_within_the_set_time_and_after_sending() -> None:
    profile = LifeProfile(sent_after_seconds=3, final_after_seconds=(2, 10))
    for phone in PHONES[:200]:
        life = plan_life(profile, phone, 1, NOON)
        assert life.final_at is not None
        assert life.sent_at <= life.final_at <= NOON + timedelta(seconds=10)


def test_shares_of_endings_are_met() -> None:
    profile = LifeProfile(undelivered=0.1, failed=0.05, stuck=0.05)
    lives = [plan_life(profile, phone, 1, NOON) for phone in PHONES]
    counts = Counter(life.final_status for life in lives)
    assert 150 < counts[MessageStatus.UNDELIVERED] < 250
    assert 60 < counts[MessageStatus.FAILED] < 140
    assert 60 < counts[None] < 140
    for life in lives:
        is_bad = life.final_status in (MessageStatus.UNDELIVERED, MessageStatus.FAILED)
        assert (life.error_code in profile.error_codes) is is_bad


def test_a_stuck_text_stays_sent() -> None:
    life = plan_life(LifeProfile(stuck=1), PHONES[0], 1, NOON)
    assert status_at(NOON + timedelta(days=365), life) is MessageStatus.SENT


def test_a_text_to_a_blocked_number_fails_with_the_code() -> None:
    life = refused_by_carrier(NOON, "21610")
    assert (status_at(NOON + timedelta(minutes=1), life), life.error_code) == (MessageStatus.FAILED, "21610")


def test_shares_of_answers_are_met_and_repeat() -> None:
    profile = PersonaProfile(yes=0.1, question=0.05, stop=0.03, free_opt_out=0.02)
    replies = [reply_to(profile, phone, 1) for phone in PHONES]
    assert replies == [reply_to(profile, phone, 1) for phone in PHONES]
    counts = Counter(reply.kind for reply in replies if reply)
    assert 150 < counts[ReplyKind.YES] < 250
    assert 60 < counts[ReplyKind.QUESTION] < 140
    assert counts[ReplyKind.STOP] > 30
    assert counts[ReplyKind.FREE_OPT_OUT] > 15
    assert all(60 <= reply.delay_seconds <= 7200 for reply in replies if reply)


def test_a_stop_answer_is_a_word_that_the_provider_knows_and_a_free_one_is_not() -> None:
    for phone in PHONES[:200]:
        stop = reply_to(PersonaProfile(stop=1), phone, 1)
        free = reply_to(PersonaProfile(free_opt_out=1), phone, 1)
        assert stop is not None
        assert free is not None
        assert keyword_of(stop.text) is Keyword.STOP
        assert keyword_of(free.text) is None


def test_who_asked_to_be_left_alone_does_not_answer_again() -> None:
    assert reply_to(PersonaProfile(free_opt_out=1), PHONES[0], 2) is None
    assert reply_to(PersonaProfile(yes=1), PHONES[0], 2) is not None


def test_a_picture_comes_without_words() -> None:
    reply = reply_to(PersonaProfile(picture=1), PHONES[0], 1)
    assert reply is not None
    assert reply.text == ""
    assert len(reply.media) == 1


def test_the_retry_schedule_is_the_published_one() -> None:
    delays = [delay_after(attempts) for attempts in range(9)]
    assert delays[-1] is None
    passed = [delay for delay in delays if delay is not None]
    assert len(passed) == 8
    assert sum(passed, timedelta()) == timedelta(hours=27, minutes=35, seconds=5)


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (datetime(2026, 7, 1, 6, 59, tzinfo=UTC), datetime(2026, 6, 30, 7, tzinfo=UTC)),
        (datetime(2026, 7, 1, 7, 0, tzinfo=UTC), datetime(2026, 7, 1, 7, tzinfo=UTC)),
        (datetime(2026, 1, 1, 9, 0, tzinfo=UTC), datetime(2026, 1, 1, 8, tzinfo=UTC)),
    ],
)
def test_daily_caps_are_reset_at_midnight_pacific(now: datetime, midnight: datetime) -> None:
    assert pacific_midnight_before(now) == midnight
