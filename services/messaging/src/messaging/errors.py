"""What messaging refuses, and why."""

from shared.errors import Conflict, Forbidden


class RecipientOptedOut(Forbidden):
    code = "recipient_opted_out"


class SameTextRecently(Conflict):
    code = "same_text_recently"


class NoSendingNumber(Conflict):
    code = "no_sending_number"


class NotResendable(Conflict):
    code = "not_resendable"


class StrangerInTrial(Forbidden):
    code = "stranger_in_trial"
