"""python -m contacts api|worker|migrate|openapi"""

from shared.main import run

from contacts.spec import SPEC

if __name__ == "__main__":
    run(SPEC)
