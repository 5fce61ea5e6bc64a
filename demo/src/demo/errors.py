"""What ends the demo early, told in one sentence."""


class DemoError(Exception):
    """The message is all that a reader sees."""


class NotRunning(DemoError):
    def __init__(self, url: str) -> None:
        super().__init__(f"Nothing answers at {url}. Start the system with `make up`, then run this again.")


class Refused(DemoError):
    """An answer that the demo did not expect."""

    def __init__(self, method: str, path: str, status: int, detail: str) -> None:
        super().__init__(f"{method} {path} answered {status}: {detail}")
        self.status = status
