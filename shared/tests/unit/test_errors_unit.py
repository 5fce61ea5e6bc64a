import json

import pytest
from shared.errors import AppError
from shared.http.problems import answer, problems

from shared import errors


def all_errors() -> list[type[AppError]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AppError)]


@pytest.mark.parametrize("error", [e for e in all_errors() if not issubclass(e, errors.ProviderError)])
def test_every_error_has_a_status_and_a_stable_code(error: type[AppError]) -> None:
    response = answer(error("Do this."))
    body = json.loads(response.body)
    assert response.status_code == error.status >= 400
    assert body["code"] == error.code
    assert body["detail"] == "Do this."


def test_details_become_members_of_the_problem() -> None:
    body = json.loads(answer(errors.PreconditionFailed("Stale.", current_version=3)).body)
    assert body["current_version"] == 3


def test_no_detail_takes_the_place_of_a_member_that_every_problem_has() -> None:
    body = json.loads(answer(errors.InvalidTransition("Too late.", status="cancelled", title="x")).body)
    assert (body["status"], body["title"]) == (409, errors.InvalidTransition.title)


@pytest.mark.parametrize("error", [errors.TooManyRequests("Slow.", retry_after=2.6), errors.ServiceUnavailable("Off.")])
def test_passing_errors_say_when_to_come_back(error: AppError) -> None:
    assert int(answer(error).headers["retry-after"]) >= 1


def test_provider_errors_say_where_and_whether_to_repeat() -> None:
    error = errors.ProviderUnavailable("Away.", provider="openphone", operation="send", retry_after=3)
    assert (error.provider, error.operation, error.retry_after) == ("openphone", "send", 3)
    assert issubclass(errors.ProviderOutcomeUnknown, errors.ProviderError)


def test_two_errors_of_one_status_stand_in_one_response() -> None:
    documented = problems(errors.Conflict, errors.AlreadyExists, errors.NotFound)
    assert documented[409]["description"] == "`conflict`, `already_exists`"
    assert set(documented) == {409, 404}
