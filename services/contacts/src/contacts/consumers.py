"""What contacts consumes: one line an event."""

from shared.consuming import consume
from shared.events import billing, campaigns, messaging

from contacts.services.billing import BillingService
from contacts.services.timeline import TimelineService

CONSUMES = (
    consume(messaging.MessageAccepted, TimelineService.record_texts),
    consume(messaging.MessageRejected, TimelineService.record_texts),
    consume(messaging.MessageUnknown, TimelineService.record_texts),
    consume(messaging.MessageNotFound, TimelineService.record_texts),
    consume(messaging.MessageReview, TimelineService.record_texts),
    consume(messaging.MessageDelivered, TimelineService.record_texts),
    consume(messaging.MessageUndelivered, TimelineService.record_texts),
    consume(messaging.MessageFailed, TimelineService.record_texts),
    consume(messaging.MessageSuppressed, TimelineService.record_texts),
    consume(messaging.MessageReceived, TimelineService.record_received),
    consume(messaging.OptOutRecorded, TimelineService.record_opt_out),
    consume(messaging.OptInRecorded, TimelineService.record_opt_in),
    consume(messaging.LineTypeDetermined, TimelineService.copy_line_type),
    consume(messaging.ContactSeen, TimelineService.meet_stranger),
    consume(messaging.CallCompleted, TimelineService.record_call),
    consume(messaging.CallMissed, TimelineService.record_call),
    consume(messaging.CallVoicemailLeft, TimelineService.record_call),
    consume(campaigns.CampaignLaunched, TimelineService.copy_campaign),
    consume(campaigns.CampaignPaused, TimelineService.copy_campaign),
    consume(campaigns.CampaignResumed, TimelineService.copy_campaign),
    consume(campaigns.CampaignCompleted, TimelineService.copy_campaign),
    consume(campaigns.CampaignCancelled, TimelineService.copy_campaign),
    consume(billing.CustomerLinked, BillingService.record),
    consume(billing.CustomerUnlinked, BillingService.record),
    consume(billing.EstimateSent, BillingService.record),
    consume(billing.EstimateChanged, BillingService.record),
    consume(billing.EstimateAccepted, BillingService.record),
    consume(billing.EstimateDeclined, BillingService.record),
    consume(billing.EstimateExpired, BillingService.record),
    consume(billing.InvoiceIssued, BillingService.record),
    consume(billing.InvoiceChanged, BillingService.record),
    consume(billing.InvoiceSent, BillingService.record),
    consume(billing.InvoicePaid, BillingService.record),
    consume(billing.InvoiceOverdue, BillingService.record),
    consume(billing.InvoiceVoided, BillingService.record),
    consume(billing.PaymentReceived, BillingService.record),
    consume(billing.PaymentChanged, BillingService.record),
    consume(billing.PaymentVoided, BillingService.record),
    consume(billing.PaymentRefunded, BillingService.record),
    consume(billing.JobScheduled, BillingService.record),
    consume(billing.JobCompleted, BillingService.record),
)
