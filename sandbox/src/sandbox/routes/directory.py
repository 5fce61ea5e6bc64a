"""Phone numbers and users of the workspace."""

from sandbox.models import PhoneNumber
from sandbox.payloads import Json, phone_number_body, user_body
from sandbox.provider_errors import not_found
from sandbox.routes.edge import Answer, Call, operation
from sandbox.routes.lists import plain_page


def _number_body(call: Call, number: PhoneNumber) -> Json:
    is_registered = call.workspace.controls.account.is_registered
    return phone_number_body(number, call.workspace.members_of(number), is_registered=is_registered)


@operation("listPhoneNumbers_v1")
async def list_phone_numbers(call: Call) -> Answer:
    user_id = call.query.get("userId")
    numbers = [n for n in call.workspace.numbers if user_id is None or user_id in n.user_ids]
    return Answer(200, {"data": [_number_body(call, number) for number in numbers]})


@operation("getPhoneNumberById_v1")
async def get_phone_number(call: Call) -> Answer:
    number = next((n for n in call.workspace.numbers if n.id == call.path["phoneNumberId"]), None)
    if number is None:
        raise not_found("Phone number")
    return Answer(200, {"data": _number_body(call, number)})


@operation("listUsers_v1")
async def list_users(call: Call) -> Answer:
    return plain_page(call, [user_body(user) for user in call.workspace.users])


@operation("getUserById_v1")
async def get_user(call: Call) -> Answer:
    user = call.workspace.users_by_id.get(call.path["userId"])
    if user is None:
        raise not_found("User")
    return Answer(200, {"data": user_body(user)})
