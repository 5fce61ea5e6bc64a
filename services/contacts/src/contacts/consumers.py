"""What contacts consumes: one line an event."""

from shared.consuming import consume
from shared.events import campaigns, messaging

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
)
