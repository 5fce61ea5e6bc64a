import pytest

from shared import failpoints


@pytest.fixture(autouse=True)
def cleared():
    yield
    failpoints.configure("")


def test_a_failpoint_that_is_not_set_does_nothing() -> None:
    failpoints.failpoint("anything")


def test_the_chosen_pass_raises_and_only_that_one() -> None:
    failpoints.configure("a=raise@2,b=raise")
    failpoints.failpoint("a")
    with pytest.raises(failpoints.FailpointError):
        failpoints.failpoint("a")
    failpoints.failpoint("a")
    with pytest.raises(failpoints.FailpointError):
        failpoints.failpoint("b")
