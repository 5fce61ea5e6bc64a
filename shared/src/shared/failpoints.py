"""Named places where a test can make the process die, freeze or fail. Without CRM_FAILPOINTS they do nothing.

`CRM_FAILPOINTS="send.after_response=kill@3,relay.after_ack=raise"`: at the third pass of the first, SIGKILL;
at the first pass of the second, raise. `stop` sends SIGSTOP.
"""

import os
import signal
from collections import Counter


class FailpointError(Exception):
    """Raised at a failpoint that is set to `raise`."""


_passes: Counter[str] = Counter()
_actions: dict[str, tuple[str, int]] = {}


def configure(specification: str) -> None:
    """Set the failpoints of this process; an empty specification clears them."""
    _actions.clear()
    _passes.clear()
    for item in filter(None, specification.split(",")):
        name, _, action = item.partition("=")
        what, _, nth = action.partition("@")
        _actions[name.strip()] = (what, int(nth or 1))


configure(os.environ.get("CRM_FAILPOINTS", ""))


def failpoint(name: str) -> None:
    """Die, freeze or raise here if this pass of this failpoint was chosen."""
    if name not in _actions:
        return
    _passes[name] += 1
    action, nth = _actions[name]
    if _passes[name] != nth:
        return
    if action == "raise":
        raise FailpointError(name)
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
