"""Who is who: what two sides have in common, and what follows from it."""

from dataclasses import replace
from itertools import permutations

import pytest
from billing.matching import Profile, choose, compare, names_of, place_of
from hypothesis import assume, given
from hypothesis import strategies as st

PHONE, OTHER_PHONE = "+16175550100", "+16175550101"
ANA = Profile(
    names=names_of("Ana", "Lima"),
    phones=frozenset({PHONE}),
    emails=frozenset({"ana@example.com"}),
    place=place_of("12 Elm Street", "Quincy", "02169"),
)


def only(profile: Profile, *fields: str) -> Profile:
    """The same with nothing but these."""
    return replace(Profile(), **{name: getattr(profile, name) for name in fields})


def named(given: str | None, family: str | None, **more: object) -> Profile:
    return replace(Profile(names=names_of(given, family)), **more)  # type: ignore[arg-type]


def shown(display: str, **more: object) -> Profile:
    return replace(Profile(names=names_of(display=display)), **more)  # type: ignore[arg-type]


def sure(one: Profile, other: Profile) -> bool:
    match = compare(one, other)
    return match is not None and match.is_sure


# --- Sure


@pytest.mark.parametrize(
    "other",
    [
        only(ANA, "phones"),
        named("Ana", "Lima", phones=ANA.phones),
        named("A.", "Lima", phones=ANA.phones),
        named(None, "LIMA", phones=ANA.phones),
        named("Ana Maria", "Lima-Costa", phones=ANA.phones),
        shown("Lima, Ana", phones=ANA.phones),
        shown("ANA LÍMA (12 Elm)", phones=ANA.phones),
        shown("Ana & Ben Lima", phones=ANA.phones),
        named("Ana", "Lima", phones=frozenset({PHONE, OTHER_PHONE})),
    ],
)
def test_the_same_phone_is_sure_where_the_names_do_not_contradict(other: Profile) -> None:
    assert sure(only(ANA, "names", "phones"), other)


def test_a_nickname_is_no_contradiction() -> None:
    phones = frozenset({PHONE})
    assert sure(named("Bob", "Reed", phones=phones), named("Robert", "Reed", phones=phones))


def test_the_same_email_and_the_same_full_name_are_sure() -> None:
    assert sure(only(ANA, "names", "emails"), shown("lima, ana", emails=ANA.emails))


def test_the_same_full_name_at_the_same_street_and_zip_is_sure() -> None:
    other = shown("Ana Lima", place=place_of("12 ELM ST.", None, "02169-1234"))
    assert sure(only(ANA, "names", "place"), other)


def test_a_company_is_named_by_its_words_without_its_legal_form() -> None:
    one = Profile(names=names_of(company="Harbor Homes, LLC"), emails=frozenset({"office@harbor.example"}))
    assert sure(one, shown("HARBOR HOMES", emails=one.emails))


# --- Doubtful


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (only(ANA, "names", "phones"), named("Ana", "Costa", phones=ANA.phones), "Other last name"),
        (only(ANA, "names", "phones"), named("Ben", "Lima", phones=ANA.phones), "Other first name"),
        (ANA, only(ANA, "emails"), "Same e-mail address"),
        (ANA, named("Ben", "Lima", emails=ANA.emails), "Other first name"),
        (ANA, named("Ana", "Lima", place=place_of(None, None, "02169")), "Same ZIP"),
        (ANA, named("Ana", "Lima", place=place_of(None, "quincy", None)), "Same city"),
        (ANA, named("Ben", "Lima", place=ANA.place), "Same last name"),
    ],
)
def test_what_is_doubtful_is_said_in_words(one: Profile, other: Profile, reason: str) -> None:
    match = compare(one, other)
    assert match is not None
    assert not match.is_sure
    assert reason in match.reasons


def test_father_and_son_are_two() -> None:
    one = replace(ANA, names=names_of("John", "Reed Jr."))
    other = replace(ANA, names=names_of("John", "Reed", suffix="Sr"))
    match = compare(one, other)
    assert match is not None
    assert not match.is_sure


def test_an_agent_s_email_does_not_make_two_sellers_one() -> None:
    emails = frozenset({"agent@realty.example"})
    match = compare(named("Ana", "Lima", emails=emails), named("Ben", "Ode", emails=emails))
    assert match is not None
    assert not match.is_sure


# --- Nothing


@pytest.mark.parametrize(
    "other",
    [
        Profile(),
        only(ANA, "names"),
        named("Ana", "Lima", place=place_of("1 Oak St", "Boston", "02108")),
        only(ANA, "place"),
        named("Ben", "Ode", place=ANA.place),
    ],
)
def test_a_name_alone_or_a_house_alone_says_nothing(other: Profile) -> None:
    assert compare(ANA, other) is None


# --- Choosing


def test_one_that_is_sure_is_chosen_whatever_else_is_doubtful() -> None:
    sure_one, doubt = compare(ANA, ANA), compare(only(ANA, "emails"), ANA)
    assert sure_one is not None
    assert doubt is not None
    assert choose({"a": sure_one, "b": doubt}) == "a"
    assert choose({"b": doubt}) is None
    assert choose({"a": sure_one, "c": sure_one}) is None
    assert choose({}) is None


# --- Properties

WORDS = st.text(st.characters(categories=("Lu", "Ll", "Nd", "Zs", "Pd", "Po", "Mn")), max_size=20)
NAMES = st.one_of(
    st.builds(names_of, st.none() | WORDS, st.none() | WORDS),
    st.builds(lambda display: names_of(display=display), WORDS),
    st.builds(lambda company: names_of(company=company), WORDS),
    st.builds(names_of, st.sampled_from(["Ana", "Ben", "A"]), st.sampled_from(["Lima", "Ode", "Lima-Ode"])),
)
PLACES = st.builds(
    place_of,
    st.sampled_from([None, "", "12 Elm Street", "12 elm st", "1 Oak Ave"]) | WORDS,
    st.sampled_from([None, "", "Quincy", "Boston"]),
    st.sampled_from([None, "", "02169", "02169-1234", "2169", "x"]),
)
PROFILES = st.builds(
    Profile,
    names=NAMES,
    phones=st.frozensets(st.sampled_from([PHONE, OTHER_PHONE])),
    emails=st.frozensets(st.sampled_from(["ana@example.com", "ben@example.com"])),
    place=PLACES,
)


@given(PROFILES, PROFILES)
def test_who_is_compared_with_whom_does_not_matter(one: Profile, other: Profile) -> None:
    assert compare(one, other) == compare(other, one)


@given(PROFILES, PROFILES)
def test_a_score_is_between_0_and_100_and_has_a_reason(one: Profile, other: Profile) -> None:
    match = compare(one, other)
    assert match is None or (0 < match.score <= 100 and match.reasons)


@given(PROFILES, PROFILES)
def test_nobody_is_linked_by_a_name_alone(one: Profile, other: Profile) -> None:
    assume(not one.phones & other.phones and not one.emails & other.emails)
    assume(one.place.street != other.place.street or one.place.zip != other.place.zip)
    assert not sure(one, other)


@given(PROFILES, PROFILES)
def test_nobody_is_linked_by_an_email_alone(one: Profile, other: Profile) -> None:
    assert not sure(only(one, "emails"), other)


PLAIN = st.text(st.characters(codec="ascii", exclude_categories=("Cc",)), max_size=20)


@given(PLAIN, PLAIN, PLAIN)
def test_case_and_space_say_nothing(given_name: str, family: str, street: str) -> None:
    assert names_of(given_name, family) == names_of(f"  {given_name.upper()} ", family.lower())
    assert place_of(street, None, "02169") == place_of(f" {street.upper()}  ", None, "02169")


@given(st.dictionaries(st.integers(0, 9), st.tuples(PROFILES, PROFILES), max_size=5))
def test_the_order_of_candidates_does_not_matter(pairs: dict[int, tuple[Profile, Profile]]) -> None:
    found = {key: match for key, pair in pairs.items() if (match := compare(*pair))}
    chosen = {choose(dict(order)) for order in permutations(found.items())}
    assert len(chosen) == 1
