"""`python -m sandbox api --port N` · `python -m sandbox migrate` · `python -m sandbox openapi`"""

from shared.main import run

from sandbox.spec import SPEC

if __name__ == "__main__":
    run(SPEC)
