"""`python -m billing api|worker|migrate|openapi|consumers`."""

from shared.main import run

from billing.spec import SPEC

if __name__ == "__main__":
    run(SPEC)
