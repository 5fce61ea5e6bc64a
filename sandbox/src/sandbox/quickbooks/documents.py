"""JSON whose numbers stay decimals: no amount passes through a float."""

from typing import Any

import simplejson

Document = dict[str, Any]


def read(text: str | bytes) -> Any:
    """Raises ValueError for what is no JSON."""
    return simplejson.loads(text, use_decimal=True, allow_nan=False)


def write(document: Any) -> str:
    return str(simplejson.dumps(document, use_decimal=True, ensure_ascii=False, separators=(",", ":")))
