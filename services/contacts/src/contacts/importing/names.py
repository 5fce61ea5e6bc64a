"""A full name in one cell: a person's two names, or an organisation's one."""

import re

ORGANISATION = re.compile(
    r"\b(llc|l\.l\.c|inc|corp|corporation|company|co|ltd|lp|llp|trust|trustee|trustees|estate|bank|church|"
    r"association|assoc|partnership|properties|realty|holdings|group|city of|town of|county of)\b\.?",
    re.IGNORECASE,
)


def is_organisation(name: str) -> bool:
    return ORGANISATION.search(name) is not None


def split_name(name: str) -> tuple[str | None, str | None]:
    """First and last name. `Smith, John` is turned round; a single word is a first name."""
    last, comma, first = (part.strip() for part in name.partition(","))
    if comma and first and last:
        return first, last
    first, _, last = " ".join(name.replace(",", " ").split()).partition(" ")
    return first or None, last or None
