"""Settings of the campaigns service."""

from decimal import Decimal
from zoneinfo import ZoneInfo

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    price_per_segment: Decimal = Decimal("0.05")
    """Dollars, all-in; what estimates of a campaign's cost use."""
    default_daily_cap: int = 125
    default_rate_per_second: Decimal = Decimal(1)
    approval_above: int = 5000
    """A launch to more recipients than this needs a second person."""
    texts_ahead: int = 500
    """How many texts of one campaign may be requested and not yet settled."""
    business_name: str = "Attack-a-Crack"
    company_zone: ZoneInfo = ZoneInfo("America/New_York")
    """Where the company's days begin: the days of payments are compared with the days of texts in it."""
