"""The business reasons for which this service refuses something (all 409), and where each comes from."""

from shared.errors import Conflict

from billing.provider import NotConnected

__all__ = [
    "AlreadyAnswered",
    "AlreadyDecided",
    "AlreadyInvoiced",
    "AlreadyLinked",
    "AnotherCompany",
    "ConsentRefused",
    "ContactForgotten",
    "ContactGone",
    "CustomerGone",
    "EmptyForm",
    "JobClosed",
    "LastDayPassed",
    "NoEmailAddress",
    "NotADraft",
    "NotConnected",
    "NotWritten",
    "NothingLeft",
    "NothingToCallIt",
    "NumbersNotOurs",
    "OfAnotherCompany",
    "PartsChanged",
    "PeriodClosed",
    "PriceChanged",
    "StateRefused",
    "UnknownItem",
    "VisitCancelled",
]


class StateRefused(Conflict):
    """The consent was begun by somebody else, in another sign-in, too long ago, or is done already."""

    code = "oauth_state_refused"


class ConsentRefused(Conflict):
    code = "consent_refused"


class AnotherCompany(Conflict):
    code = "another_company_connected"


class OfAnotherCompany(Conflict):
    """It stands in the books of a company that is not the one that is connected."""

    code = "belongs_to_another_company"


class NotADraft(Conflict):
    code = "not_a_draft"


class EmptyForm(Conflict):
    code = "no_lines"


class LastDayPassed(Conflict):
    """The price of a draft held until a day that has passed."""

    code = "last_day_passed"


class UnknownItem(Conflict):
    code = "unknown_item"


class CustomerGone(Conflict):
    code = "customer_gone"


class PeriodClosed(Conflict):
    code = "period_closed"


class NumbersNotOurs(Conflict):
    code = "custom_numbers_off"


class NotWritten(Conflict):
    """It is not in QuickBooks yet."""

    code = "not_in_quickbooks_yet"


class NoPayLink(Conflict):
    """It cannot be paid online."""

    code = "no_pay_link"


class NoEmailAddress(Conflict):
    code = "no_email_address"


class AlreadyAnswered(Conflict):
    code = "already_answered"


class PartsChanged(Conflict):
    """Earlier parts of an estimate are none of its lines any more."""

    code = "parts_changed"


class PriceChanged(Conflict):
    """It costs something else than what whoever accepts it was shown."""

    code = "price_changed"


class AlreadyInvoiced(Conflict):
    code = "already_invoiced"


class NothingLeft(Conflict):
    code = "nothing_left_to_invoice"


class ContactGone(Conflict):
    """The contact is archived, or was merged into one that is."""

    code = "contact_inactive"


class ContactForgotten(Conflict):
    """The person's data were erased: nothing is written about them any more."""

    code = "contact_erased"


class NothingToCallIt(Conflict):
    """A contact without name, phone and e-mail cannot be a customer."""

    code = "contact_without_name"


class AlreadyLinked(Conflict):
    """The customer is another contact's."""

    code = "already_linked"


class AlreadyDecided(Conflict):
    code = "already_decided"


class JobClosed(Conflict):
    """The job is completed or cancelled."""

    code = "job_closed"


class VisitCancelled(Conflict):
    code = "visit_cancelled"
