"""`python -m campaigns api|worker|migrate|openapi|consumers`."""

from shared.main import run

from campaigns.spec import SPEC

if __name__ == "__main__":
    run(SPEC)
