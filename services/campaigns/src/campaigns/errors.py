"""The business reasons for which this service refuses something (all 409)."""

from shared.errors import Conflict


class NotADraft(Conflict):
    code = "not_a_draft"


class NoSendingNumber(Conflict):
    code = "no_sending_number"


class AudienceNotReady(Conflict):
    code = "audience_not_ready"


class AudienceBlocked(Conflict):
    code = "audience_blocked"


class EmptyAudience(Conflict):
    code = "empty_audience"


class ApprovalNeeded(Conflict):
    code = "approval_needed"


class SecondPersonNeeded(Conflict):
    code = "second_person_needed"


class DeadlinePassed(Conflict):
    code = "deadline_passed"
