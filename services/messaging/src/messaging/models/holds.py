"""Sending holds, and the newest known state of each campaign."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.models.tables import Base


class HoldScope(StrEnum):
    ALL = "all"
    CAMPAIGN = "campaign"
    NUMBER = "number"


class HoldSource(StrEnum):
    PERSON = "person"
    CAMPAIGNS = "campaigns"
    BREAKER = "breaker"
    PROVIDER = "provider"


class Hold(Identified, Versioned, Base):
    """Nothing in its scope is claimed for sending while it is in place.

    Scope campaign without a campaign means every campaign. Holds of different sources stand beside each other:
    a campaign that was resumed stays held if a person or the breaker holds it too.
    """

    __tablename__ = "hold"
    __table_args__ = (
        Index(
            "uq_hold_in_place",
            "scope",
            "campaign_id",
            "number_id",
            "source",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    scope: Mapped[HoldScope] = mapped_column(str_enum(HoldScope))
    campaign_id: Mapped[UUID | None]
    number_id: Mapped[UUID | None]
    source: Mapped[HoldSource] = mapped_column(str_enum(HoldSource))
    reason: Mapped[str]
    placed_at: Mapped[datetime]
    placed_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]


class CampaignState(Base):
    """The newest move of a campaign that has been applied; older ones that arrive later are ignored."""

    __tablename__ = "campaign_state"

    campaign_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[str]
    name: Mapped[str]
