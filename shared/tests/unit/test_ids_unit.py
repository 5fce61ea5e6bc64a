from uuid import UUID

from shared.ids import derived, uuid7

NAMESPACE = UUID("6f1c5c1e-8a57-4f6b-9a58-0d6b5a0f5f6e")


def test_ids_are_version_7_and_grow_with_time() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert {i.version for i in ids} == {7}
    assert {i.variant for i in ids} == {"specified in RFC 4122"}
    stamps = [i.int >> 80 for i in ids]
    assert stamps == sorted(stamps)
    assert len(set(ids)) == 1000


def test_derived_ids_come_out_the_same_twice_and_keep_parts_apart() -> None:
    assert derived(NAMESPACE, "a", 1) == derived(NAMESPACE, "a", "1")
    assert derived(NAMESPACE, "a", "b1") != derived(NAMESPACE, "ab", "1")
