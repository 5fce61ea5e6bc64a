"""What the provider itself does with opt-out words: single words only, and nothing else."""

from enum import StrEnum

STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
START_WORDS = frozenset({"START", "UNSTOP"})

STOP_REPLY = (
    "You have successfully been unsubscribed. You will not receive any more messages from this number. "
    "Reply START to resubscribe."
)
START_REPLY = (
    "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe. Msg&Data Rates May Apply."
)


class Keyword(StrEnum):
    STOP = "stop"
    START = "start"


REPLIES = {Keyword.STOP: STOP_REPLY, Keyword.START: START_REPLY}


def keyword_of(text: str) -> Keyword | None:
    """The keyword that this text is to the provider. "Please stop" and "STOP." are none."""
    word = text.strip().upper()
    if word in STOP_WORDS:
        return Keyword.STOP
    return Keyword.START if word in START_WORDS else None
