"""What the gateway refuses, beyond the shared tree."""

from shared.errors import Conflict, Forbidden, Invalid, Unauthorized


class WrongCredentials(Unauthorized):
    """One answer for an unknown account, a wrong password and a disabled account."""

    code = "wrong_credentials"


class SecondFactorRequired(Unauthorized):
    code = "second_factor_required"


class SessionEnded(Unauthorized):
    code = "session_ended"


class ForeignOrigin(Forbidden):
    """A mutating request with a cookie that did not come from our own pages."""

    code = "foreign_origin"


class PermissionNotHeld(Forbidden):
    """Nobody hands on more than they hold."""

    code = "permission_not_held"


class WeakPassword(Invalid):
    code = "weak_password"


class LastAdmin(Conflict):
    code = "last_admin"


class InviteUsed(Conflict):
    code = "invite_used"


class ClockCannotMove(Conflict):
    code = "clock_cannot_move"
