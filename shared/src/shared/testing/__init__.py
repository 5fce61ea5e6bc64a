"""What the tests of every service share: real servers, fresh databases, tokens, polling with a deadline."""

from shared.testing.waiting import settle, until

__all__ = ["settle", "until"]
