"""What messaging does about other services' events."""

from shared.consuming import Consumption, consume
from shared.events import campaigns, contacts

from messaging.services.contacts import ContactCopyService
from messaging.services.holds import HoldService
from messaging.services.queueing import RequestService

CONSUMES: tuple[Consumption, ...] = (
    consume(campaigns.TextRequested, RequestService.queue),
    consume(campaigns.CampaignLaunched, HoldService.note_launch),
    consume(campaigns.CampaignPaused, HoldService.pause_campaign),
    consume(campaigns.CampaignResumed, HoldService.resume_campaign),
    consume(campaigns.CampaignCancelled, HoldService.cancel_campaign),
    consume(campaigns.CampaignCompleted, HoldService.note_completion),
    consume(contacts.ContactChanged, ContactCopyService.take_over),
    consume(contacts.ContactMerged, ContactCopyService.alias),
    consume(contacts.ContactUnmerged, ContactCopyService.unalias),
    consume(contacts.ConsentRecorded, ContactCopyService.record_consent),
)
