"""`python -m gateway`: api, worker, migrate, openapi; caddyfile, create-admin."""

import sys

from shared.main import run

from gateway.commands import COMMANDS
from gateway.spec import SPEC

if __name__ == "__main__":
    command = COMMANDS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if command is not None:
        command(sys.argv[2:])
    else:
        run(SPEC)
