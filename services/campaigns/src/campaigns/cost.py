"""What a campaign costs, in exact decimals."""

from decimal import Decimal

from shared.errors import Invalid


def campaign_cost(recipient_count: int, *, segments: int, price_per_segment: Decimal) -> Decimal:
    """The price of `recipient_count` texts of `segments` each."""
    return segments_cost(recipient_count * segments if _positive(recipient_count, segments) else 0, price_per_segment)


def segments_cost(total_segments: int, price_per_segment: Decimal) -> Decimal:
    """To the cent if the price is; a finer price keeps its places."""
    return (total_segments * price_per_segment).quantize(min(Decimal("0.01"), price_per_segment))


def _positive(recipient_count: int, segments: int) -> bool:
    if recipient_count < 0 or segments < 1:
        raise Invalid("A cost is worked out for 0 or more recipients and 1 or more segments.")
    return recipient_count > 0
