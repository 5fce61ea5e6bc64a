"""What a chunk changes: outcomes that add up, second runs that change nothing, any size of chunk."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from contacts.importing.columns import guess
from contacts.importing.plan import ChunkPlan, Duplicates, Home, Known, Outcome, Person, RowOutcome
from contacts.importing.rows import ParsedPhone, Rejection, RowReader
from hypothesis import given, settings
from hypothesis import strategies as st

STANDARD = ["First Name", "Company", "Phone", "Mobile", "Email", "Tags"]
RADAR = [
    *("Type", "Address", "City", "ZIP", "APN", "Sq Ft", "Owner Occ?"),
    *("Primary Name", "Primary Mobile Phone1", "Secondary Name", "Secondary Mobile Phone1"),
]


@dataclass
class Store:
    """Keeps records between chunks as the tables do, by value, and finds them again by their keys."""

    people: dict[UUID, Person] = field(default_factory=dict)
    homes: dict[UUID, Home] = field(default_factory=dict)

    def run(
        self, headers: list[str], rows: list[list[str]], duplicates: Duplicates, chunk: int = 1000
    ) -> list[RowOutcome]:
        reader = RowReader(headers, guess(headers).mapping)
        seen: dict[UUID, Outcome] = {}
        outcomes: list[RowOutcome] = []
        for start in range(0, len(rows), chunk):
            plan = ChunkPlan(self._known(seen), duplicates)
            for number, cells in enumerate(rows[start : start + chunk], start=start + 1):
                try:
                    plan.apply(number, reader.read(cells))
                except Rejection as rejection:
                    plan.reject(number, rejection)
            self._keep(plan, seen)
            outcomes += plan.outcomes
        return outcomes

    def _known(self, seen: dict[UUID, Outcome]) -> Known:
        people = [
            Person(
                person.id,
                dict(person.fields),
                seen_as=seen.get(person.id),
                phones=dict(person.phones),
                emails=dict(person.emails),
                tags=set(person.tags),
                custom=dict(person.custom),
            )
            for person in self.people.values()
        ]
        homes = [
            Home(home.id, dict(home.fields), seen_as=seen.get(home.id), owners=dict(home.owners))
            for home in self.homes.values()
        ]
        return Known(people, homes)

    def _keep(self, plan: ChunkPlan, seen: dict[UUID, Outcome]) -> None:
        for record in (*plan.people.values(), *plan.homes.values()):
            assert record.seen_as is not None
            seen[record.id] = record.seen_as
        self.people |= plan.people
        self.homes |= plan.homes

    def snapshot(self) -> Any:
        """Everything but the ids, comparable."""
        people = sorted(
            (
                sorted(person.phones),
                sorted(person.emails),
                sorted(person.tags),
                sorted((name, value) for name, value in person.fields.items() if value is not None),
            )
            for person in self.people.values()
        )
        homes = sorted(
            (
                sorted((name, str(value)) for name, value in home.fields.items() if value is not None),
                sorted(sorted(self.people[owner].phones) for owner in home.owners),
            )
            for home in self.homes.values()
        )
        return people, homes


def counts(outcomes: list[RowOutcome]) -> Counter[Outcome]:
    return Counter(row.outcome for row in outcomes)


PHONES = ["6175550100", "(617) 555-0101", "617-555-0102", "+1 617 555 0103"]
PHONE = st.sampled_from([*PHONES, "", "555-0100", "abc"])
NAME = st.sampled_from(["Ann", "Bob", "", "Cy\x00", "Zoë"])
STANDARD_ROWS = st.lists(
    st.tuples(
        NAME,
        st.sampled_from(["", "Acme", "Beta"]),
        PHONE,
        PHONE,
        st.sampled_from(["", "shared@example.com", "no mail"]),
        st.sampled_from(["", "vip", "vip;cold"]),
        st.sampled_from(["", "", "", "extra"]),
    ).map(list),
    max_size=12,
)
RADAR_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["SFR", ""]),
        st.sampled_from(["1 Elm Street", "1 elm st.", "2 Oak Ave", ""]),
        st.just("Quincy"),
        st.sampled_from(["02169", "02169-1234", ""]),
        st.sampled_from(["", "A-1", "A-2"]),
        st.sampled_from(["1,500", "1500", "1,5", "900", ""]),
        st.sampled_from(["1", "0", ""]),
        st.sampled_from(["Ann Lee", "Lee, Bob", "ELM TRUST", ""]),
        PHONE,
        st.sampled_from(["Cy Day", ""]),
        PHONE,
    ).map(list),
    max_size=12,
)
FILES = st.one_of(st.tuples(st.just(STANDARD), STANDARD_ROWS), st.tuples(st.just(RADAR), RADAR_ROWS))


@settings(max_examples=150)
@given(FILES, st.sampled_from(Duplicates))
def test_every_row_has_one_outcome_and_the_created_ones_are_there(file: Any, duplicates: Duplicates) -> None:
    headers, rows = file
    store = Store()
    outcomes = store.run(headers, rows, duplicates)
    assert [row.row_number for row in outcomes] == list(range(1, len(rows) + 1))
    assert sum(counts(outcomes).values()) == len(rows)
    assert all(row.reason and row.detail for row in outcomes if row.outcome is Outcome.REJECTED)
    phones = [phone for person in store.people.values() for phone in person.phones]
    assert len(phones) == len(set(phones)), "a phone belongs to one contact"
    assert (counts(outcomes)[Outcome.CREATED] == 0) == (not store.people and not store.homes)


@settings(max_examples=150)
@given(FILES, st.sampled_from(Duplicates), st.sampled_from(Duplicates))
def test_the_same_file_again_changes_nothing(file: Any, first: Duplicates, again: Duplicates) -> None:
    headers, rows = file
    store = Store()
    rejected = counts(store.run(headers, rows, first))[Outcome.REJECTED]
    store.run(headers, rows, again)
    before = store.snapshot()
    repeated = counts(store.run(headers, rows, again))
    assert store.snapshot() == before
    assert repeated == Counter({Outcome.UNCHANGED: len(rows) - rejected, Outcome.REJECTED: rejected})


@settings(max_examples=150)
@given(FILES, FILES, st.sampled_from(Duplicates), st.integers(1, 4))
def test_the_size_of_the_chunks_does_not_matter(old: Any, file: Any, duplicates: Duplicates, chunk: int) -> None:
    whole, parts = Store(), Store()
    for store in (whole, parts):
        store.run(*old, Duplicates.OVERWRITE)
    headers, rows = file
    outcomes = whole.run(headers, rows, duplicates)
    chunked = parts.run(headers, rows, duplicates, chunk)
    assert [row.outcome for row in chunked] == [row.outcome for row in outcomes]
    assert parts.snapshot() == whole.snapshot()


def model(rows: list[list[str]], duplicates: Duplicates, book: dict[str, dict[str, str]]) -> list[str]:
    """An independent account of a one-phone list: `book` is phone → what is known, changed in place."""
    good = {"6175550100": "a", "617-555-0100": "a", "(617) 555-0101": "b"}
    touched: set[str] = set()
    told = []
    for name, company, phone in rows:
        if (not name.strip() and not company.strip() and not phone.strip()) or "\x00" in name or phone not in good:
            told.append("rejected")
        elif (person := book.get(good[phone])) is None:
            book[good[phone]] = {k: v for k, v in (("first_name", name), ("company", company)) if v}
            told.append("created")
        elif duplicates is Duplicates.SKIP:
            told.append("unchanged")
        else:
            before = dict(person)
            for key, value in (("first_name", name), ("company", company)):
                may_replace = duplicates is Duplicates.OVERWRITE and good[phone] not in touched
                if value and (key not in person or may_replace):
                    person[key] = value
            told.append("unchanged" if person == before else "updated")
        touched |= {good[phone]} if told[-1] != "rejected" else set()
    return told


LIST = st.lists(
    st.tuples(
        st.sampled_from(["Ann", "Bob", "", " ", "X\x00"]),
        st.sampled_from(["", "Acme"]),
        st.sampled_from(["6175550100", "617-555-0100", "(617) 555-0101", "", "5550100"]),
    ).map(list),
    max_size=15,
)


@settings(max_examples=200)
@given(LIST, LIST, st.sampled_from(Duplicates), st.integers(1, 20))
def test_the_accounting_equals_an_independent_model(
    old: list[list[str]], rows: list[list[str]], duplicates: Duplicates, chunk: int
) -> None:
    store, book = Store(), {}
    headers = ["First Name", "Company", "Phone"]
    for batch, policy in ((old, Duplicates.FILL_BLANKS), (rows, duplicates)):
        stripped = [[cell.strip() for cell in row] for row in batch]
        outcomes = store.run(headers, batch, policy, chunk)
        assert [str(row.outcome) for row in outcomes] == model(stripped, policy, book)
    assert sorted(map(sorted, (person.fields.items() for person in store.people.values()))) == sorted(
        map(sorted, (person.items() for person in book.values()))
    )


RADAR_ROW = ["SFR", "1 Elm St", "Quincy", "02169", "A-1", "1,500", "1"]


def test_a_couple_with_one_phone_is_one_contact_and_a_warning() -> None:
    store = Store()
    [row] = store.run(RADAR, [[*RADAR_ROW, "Ann Lee", PHONES[0], "Bob Lee", PHONES[0]]], Duplicates.FILL_BLANKS)
    assert len(store.people) == 1
    assert row.warnings == ["The second person has the same phone as the first; one contact was stored."]


def test_a_couple_owns_the_house_and_the_first_is_primary() -> None:
    store = Store()
    store.run(RADAR, [[*RADAR_ROW, "Ann Lee", PHONES[0], "Bob Lee", PHONES[1]]], Duplicates.FILL_BLANKS)
    [home] = store.homes.values()
    primaries = {store.people[owner].fields["first_name"]: primary for owner, primary in home.owners.items()}
    assert primaries == {"Ann": True, "Bob": False}


def test_a_known_address_with_another_apn_is_another_house() -> None:
    store = Store()
    rows = [[*RADAR_ROW[:4], apn, "900", "1", "", "", "", ""] for apn in ("", "A-1", "A-2")]
    outcomes = store.run(RADAR, rows, Duplicates.FILL_BLANKS)
    assert [row.outcome for row in outcomes] == [Outcome.CREATED, Outcome.UPDATED, Outcome.CREATED]
    assert sorted(str(home.apn) for home in store.homes.values()) == ["A-1", "A-2"]


def test_an_address_of_several_houses_is_no_guess() -> None:
    store = Store()
    numbered = [[*RADAR_ROW[:4], apn, "900", "1", "", "", "", ""] for apn in ("A-1", "A-2")]
    store.run(RADAR, numbered, Duplicates.FILL_BLANKS)
    before = store.snapshot()
    [row] = store.run(RADAR, [[*RADAR_ROW[:4], "", "1500", "1", "", "", "", ""]], Duplicates.OVERWRITE)
    assert (row.outcome, len(row.warnings)) == (Outcome.UNCHANGED, 1)
    assert store.snapshot() == before


@pytest.mark.parametrize(
    ("duplicates", "name", "company", "outcome", "reason"),
    [
        (Duplicates.SKIP, "Old", None, Outcome.UNCHANGED, "kept"),
        (Duplicates.FILL_BLANKS, "Old", "Acme", Outcome.UPDATED, None),
        (Duplicates.OVERWRITE, "Ann", "Acme", Outcome.UPDATED, None),
    ],
)
def test_the_policy_decides_what_happens_to_a_known_contact(
    duplicates: Duplicates, name: str, company: str | None, outcome: Outcome, reason: str | None
) -> None:
    known = Person(UUID(int=1), {"first_name": "Old"})
    known.phones["+16175550100"] = ParsedPhone("+16175550100", "other")
    store = Store({known.id: known})
    [row] = store.run(STANDARD, [["Ann", "Acme", PHONES[0], "", "", ""]], duplicates)
    [person] = store.people.values()
    assert (person.fields["first_name"], person.fields.get("company")) == (name, company)
    assert (row.outcome, row.reason) == (outcome, reason)


def test_later_rows_of_a_file_only_fill_what_is_blank() -> None:
    store = Store()
    rows = [["Ann", "", PHONES[0], "", "", ""], ["Bob", "Acme", PHONES[0], "", "", ""]]
    outcomes = store.run(STANDARD, rows, Duplicates.OVERWRITE)
    [person] = store.people.values()
    assert person.fields == {"first_name": "Ann", "company": "Acme"}
    assert [row.outcome for row in outcomes] == [Outcome.CREATED, Outcome.UPDATED]


def test_a_phone_of_somebody_else_stays_there() -> None:
    store = Store()
    rows = [
        ["Ann", "", PHONES[0], "", "", ""],
        ["Bob", "", PHONES[1], "", "", ""],
        ["Bob", "", PHONES[1], PHONES[0], "", ""],
    ]
    outcomes = store.run(STANDARD, rows, Duplicates.OVERWRITE)
    assert outcomes[2].outcome is Outcome.UNCHANGED
    assert outcomes[2].warnings == ["The phone ending in 0100 belongs to another contact; left there."]


def test_a_shared_e_mail_joins_nobody() -> None:
    store = Store()
    rows = [["Ann", "", PHONES[0], "", "both@example.com", ""], ["Bob", "", PHONES[1], "", "both@example.com", ""]]
    store.run(STANDARD, rows, Duplicates.OVERWRITE)
    assert len(store.people) == 2
