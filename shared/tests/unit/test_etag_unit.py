import pytest
from shared.errors import Invalid, PreconditionFailed, PreconditionRequired
from shared.etag import _if_match, check_version


def test_the_version_is_read_from_if_match() -> None:
    assert _if_match('"12"') == 12
    assert _if_match('W/"3"') == 3


def test_a_missing_if_match_is_required() -> None:
    with pytest.raises(PreconditionRequired):
        _if_match(None)


@pytest.mark.parametrize("value", ["12", "*", '"a"', '"1", "2"', '""'])
def test_what_is_not_one_etag_is_malformed(value: str) -> None:
    with pytest.raises(Invalid):
        _if_match(value)


def test_a_stale_version_tells_both() -> None:
    check_version(3, 3)
    with pytest.raises(PreconditionFailed) as refused:
        check_version(4, 3)
    assert refused.value.details == {"your_version": 3, "current_version": 4}
