"""The few sentences that the system itself sends."""

CONFIRMATION = "You are unsubscribed and will get no more texts from {business}. Reply START to resubscribe."
HELP = "{business}: reply here with your question{or_call}. Reply STOP to get no more texts."

PROVIDER_OWN_TEXTS = (
    "You have successfully been unsubscribed.",
    "You have successfully been re-subscribed",
)
"""How the provider's automatic replies begin: outgoing texts that nobody here wrote."""


def confirmation(business: str) -> str:
    """The one confirmation of an opt-out: no marketing, how to come back (47 CFR 64.1200(a)(12))."""
    return CONFIRMATION.format(business=business)


def help_text(business: str, phone: str) -> str:
    return HELP.format(business=business, or_call=f", or call {phone}" if phone else "")


def is_provider_own(body: str) -> bool:
    return body.startswith(PROVIDER_OWN_TEXTS)
