"""JSON whose numbers stay decimals: no amount of money passes through a float."""

from typing import Any

import simplejson


def read(text: str | bytes) -> Any:
    """Raises ValueError for what is no JSON."""
    try:
        return simplejson.loads(text, use_decimal=True, allow_nan=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write(document: Any) -> str:
    return str(simplejson.dumps(document, use_decimal=True, ensure_ascii=False, separators=(",", ":")))
