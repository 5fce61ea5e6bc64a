"""The win rate: answers count at the moment they were given, however late they are read."""

from datetime import date, timedelta

from billing.models import Estimate

from .books import by_id, changed, form
from .conftest import NOON
from .office import Office

TODAY = NOON.date()


async def figures(office: Office, days: int) -> tuple[int, int, int, float | None]:
    answer = await office.api.get("/api/v1/receivables/figures", params={"days": days})
    found = answer.json()
    return found["accepted"], found["declined"], found["expired"], found["win_rate"]


async def test_answers_from_before_the_first_reading_count_when_they_were_given(office: Office) -> None:
    customer = (await office.new_customer())["Id"]
    won = await form(office, "Estimate", customer, "10.00", TxnStatus="Accepted", AcceptedDate="2030-06-01")
    undated = await form(office, "Estimate", customer, "10.00", TxnStatus="Accepted")
    lost = await form(office, "Estimate", customer, "10.00", TxnStatus="Rejected")
    expired = await form(office, "Estimate", customer, "10.00", ExpirationDate="2031-03-20")
    waiting = await form(office, "Estimate", customer, "10.00", ExpirationDate="2031-12-31")
    await office.advance(timedelta(days=60))
    await office.connect()
    await office.settle()
    days = [(await by_id(office, Estimate, one)).status_at.date() for one in (won, undated, lost, expired, waiting)]
    assert days == [date(2030, 6, 1), TODAY, TODAY, date(2031, 3, 21), TODAY]
    assert await figures(office, 30) == (0, 0, 0, None)
    assert await figures(office, 50) == (0, 0, 1, 0.0)
    assert await figures(office, 90) == (1, 1, 1, 0.3333)
    assert await figures(office, 3650) == (2, 1, 1, 0.5)


async def test_no_answer_was_given_later_than_it_is_read(office: Office) -> None:
    customer = (await office.new_customer())["Id"]
    made = await form(office, "Estimate", customer, "10.00", TxnStatus="Accepted", AcceptedDate="2031-12-31")
    await office.connect()
    await office.settle()
    assert (await by_id(office, Estimate, made)).status_at <= await office.now()


async def test_an_answer_that_is_told_counts_from_then_on(connected: Office) -> None:
    customer = (await connected.new_customer())["Id"]
    made = await form(connected, "Estimate", customer, "10.00")
    await connected.settle()
    await connected.advance(timedelta(minutes=30))
    await changed(connected, "Estimate", made, TxnStatus="Accepted", AcceptedDate="2030-06-01")
    await connected.settle()
    row = await by_id(connected, Estimate, made)
    assert (row.status, row.status_at >= NOON + timedelta(minutes=30)) == ("accepted", True)


async def test_an_estimate_that_was_closed_is_won_only_with_its_invoice(office: Office) -> None:
    customer = (await office.new_customer())["Id"]
    invoiced = await form(office, "Estimate", customer, "10.00", TxnStatus="Accepted")
    invoice = await office.new_invoice(customer, "10.00", LinkedTxn=[{"TxnId": invoiced["Id"], "TxnType": "Estimate"}])
    by_hand = await form(office, "Estimate", customer, "10.00", TxnStatus="Closed")
    await office.connect()
    await office.settle()
    for one in (invoiced, by_hand):
        assert (await by_id(office, Estimate, one)).status == "closed"
    assert await figures(office, 30) == (1, 0, 0, 1.0)
    await office.people_do(f"invoice/{invoice['Id']}/void")
    await changed(office, "Estimate", invoiced, TxnStatus="Closed")
    await office.settle()
    assert (await by_id(office, Estimate, invoiced)).status == "closed"
    assert await figures(office, 30) == (0, 0, 0, None)
