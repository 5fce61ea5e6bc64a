"""python -m messaging {api,worker,migrate,openapi,consumers}"""

from shared.main import run

from messaging.spec import SPEC

run(SPEC)
