"""What this service does when others report: one line per event type."""

from shared.consuming import consume
from shared.events import billing, contacts, messaging

from campaigns.services.copies import CopyService
from campaigns.services.outcomes import OutcomeService
from campaigns.services.people import PeopleService
from campaigns.services.revenue import REASONS, RevenueService

_REPORTS = (
    messaging.MessageAccepted,
    messaging.MessageRejected,
    messaging.MessageUnknown,
    messaging.MessageNotFound,
    messaging.MessageReview,
    messaging.MessageDelivered,
    messaging.MessageUndelivered,
    messaging.MessageFailed,
    messaging.MessageSuppressed,
    messaging.MessageExpired,
    messaging.MessageCancelled,
)

CONSUMES = (
    *(consume(report, OutcomeService.record_reports) for report in _REPORTS),
    consume(messaging.MessageReceived, OutcomeService.record_reply),
    consume(messaging.OptOutRecorded, OutcomeService.record_opt_out),
    consume(messaging.OptInRecorded, OutcomeService.record_opt_in),
    consume(messaging.PhoneNumberChanged, CopyService.record_number),
    consume(messaging.LineTypeDetermined, CopyService.record_line_type),
    consume(messaging.HoldPlaced, CopyService.record_hold),
    consume(messaging.HoldLifted, CopyService.record_hold),
    consume(contacts.ContactChanged, PeopleService.record_changes),
    consume(contacts.ContactMerged, PeopleService.record_merge),
    consume(contacts.ContactUnmerged, PeopleService.record_unmerge),
    consume(contacts.ContactErased, PeopleService.record_erasure),
    *(consume(moved, RevenueService.record_payments) for moved in REASONS),
    consume(billing.CustomerLinked, RevenueService.record_link),
    consume(billing.CustomerUnlinked, RevenueService.record_link),
)
