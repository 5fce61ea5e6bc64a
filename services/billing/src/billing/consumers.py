"""What this service does when others report: one line per event type."""

from shared.consuming import consume
from shared.events import contacts

from billing.services.people import PeopleService

CONSUMES = (
    consume(contacts.ContactChanged, PeopleService.record_changes),
    consume(contacts.ContactMerged, PeopleService.record_merge),
    consume(contacts.ContactUnmerged, PeopleService.record_unmerge),
    consume(contacts.ContactErased, PeopleService.record_erasure),
    consume(contacts.PropertyChanged, PeopleService.record_properties),
)
