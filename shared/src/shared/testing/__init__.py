"""What the tests of every service share: real servers, fresh databases, tokens, polling with a deadline."""

from shared.testing.waiting import settle, settle_beside, until

__all__ = ["settle", "settle_beside", "until"]
