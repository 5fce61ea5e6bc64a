"""Runs a command in place of itself: with the environment of a file, as another user, dying with its parent.

    python -I -S tether.py [--parent PID] [--signal N] [--user NAME] [--env-file FILE] -- command...

It stands alone (standard library only) because it starts every server and is read before any package is.
"""

import ctypes
import json
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1
OWN_PREFIX = "CRM_"


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    options = dict(zip(arguments[0:split:2], arguments[1:split:2], strict=True))
    command = arguments[split + 1 :]
    environment = _environment(options.get("--env-file"))
    if user := options.get("--user"):
        _become(user)
    if sys.platform == "linux":
        # Set after the change of user, which clears it.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(options.get("--signal", "15")), 0, 0, 0)
    if "--parent" in options and os.getppid() != int(options["--parent"]):
        sys.exit("The process that wanted this server is gone.")
    os.execvpe(command[0], command, environment)  # noqa: S606 - no shell is wanted


def _environment(path: str | None) -> dict[str, str]:
    """Ours with the file's on top; settings of an outer system (a test inside a running one) do not leak in."""
    if path is None:
        return dict(os.environ)
    with open(path, encoding="utf-8") as file:
        chosen: dict[str, str] = json.load(file)
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN_PREFIX)} | chosen


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ["HOME"] = account.pw_dir


if __name__ == "__main__":
    main(sys.argv[1:])
