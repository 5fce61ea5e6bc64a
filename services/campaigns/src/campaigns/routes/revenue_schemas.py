"""What the HTTP interface gives of money. Amounts of different currencies never meet in one number."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictInt
from shared.events.envelope import Instant

from campaigns import queries
from campaigns.attribution import CONSERVED, Model
from campaigns.models import AttributionWindow, Reason, RevenueEntry
from campaigns.routes.schemas import Body, Out


class Credit(BaseModel):
    """What texts earned. Payments and people are those of whom something is left after refunds within a payment."""

    amount_cents: int = 0
    payments: int = 0
    people: int = 0

    @classmethod
    def of(cls, row: Any) -> Self:
        return cls(amount_cents=row.earned_cents, payments=row.payments, people=row.people)


class Credits(BaseModel):
    """The same money as each model gives it away. Assists come on top: they do not add up to what was received."""

    first_touch: Credit = Credit()
    last_touch: Credit = Credit()
    assisted: Credit = Credit()

    @classmethod
    def of(cls, rows: Iterable[Any], **values: Any) -> Self:
        return cls(**{row.model: Credit.of(row) for row in rows}, **values)


class CurrencyCredits(Credits):
    currency: str

    @classmethod
    def by_currency(cls, rows: Iterable[Any]) -> list[Self]:
        """`rows` are sorted by currency."""
        return [cls.of(group, currency=currency) for currency, group in groupby(rows, key=lambda row: row.currency)]


class VariantRevenue(BaseModel):
    variant: str
    revenue: list[CurrencyCredits]


class CampaignRevenueOut(BaseModel):
    campaign_id: UUID
    revenue: list[CurrencyCredits]
    variants: list[VariantRevenue]

    @classmethod
    def of(cls, campaign_id: UUID, rows: Sequence[Any]) -> Self:
        variants = sorted({row.variant for row in rows if row.variant is not None})
        return cls(
            campaign_id=campaign_id,
            revenue=revenue_of(rows, None),
            variants=[VariantRevenue(variant=variant, revenue=revenue_of(rows, variant)) for variant in variants],
        )


def revenue_of(rows: Iterable[Any], variant: str | None) -> list[CurrencyCredits]:
    """From the rows of a campaign, those of one variant, or of all of it."""
    return CurrencyCredits.by_currency(row for row in rows if row.variant == variant)


class Unattributed(BaseModel):
    """Money that no text earned: its customer is nobody we know, that person never got a text, or not in the window.

    What was reported a moment ago is `pending`; the amount is then the difference to what was attributed before.
    """

    reason: str
    amount_cents: int
    payments: int


class ModelRevenue(BaseModel):
    """`attributed_cents` and `unattributed_cents` add up to what was received, always."""

    model: Model
    attributed_cents: int
    unattributed_cents: int
    payments: int
    people: int
    unattributed: list[Unattributed]

    @classmethod
    def of(cls, whole: Any, by_outcome: Iterable[Any]) -> Self:
        return cls(
            model=whole.model,
            attributed_cents=whole.earned_cents,
            unattributed_cents=whole.received_cents - whole.earned_cents,
            payments=whole.payments,
            people=whole.people,
            unattributed=[
                Unattributed(
                    reason=row.outcome,
                    amount_cents=row.received_cents - row.earned_cents,
                    payments=row.received_payments,
                )
                for row in by_outcome
                if row.outcome != "attributed"
            ],
        )


class CampaignCredits(Credits):
    campaign_id: UUID
    name: str


class CurrencyRevenue(BaseModel):
    """`total_cents`: payments less refunds. Campaigns are in the order of what their last touches earned."""

    currency: str
    total_cents: int
    payments: int
    refunds: int
    models: list[ModelRevenue]
    assisted: Credit
    campaigns: list[CampaignCredits]

    @classmethod
    def of(cls, currency: str, rows: Sequence[Any], names: Mapping[UUID, str]) -> Self:
        whole = {row.model: row for row in rows if row.level == queries.WHOLE}
        any_model = whole[CONSERVED[0]]
        return cls(
            currency=currency,
            total_cents=any_model.received_cents,
            payments=any_model.received_payments,
            refunds=any_model.refunds,
            models=[
                ModelRevenue.of(
                    whole[model], [row for row in rows if row.level == queries.BY_OUTCOME and row.model == model]
                )
                for model in CONSERVED
            ],
            assisted=Credit.of(whole[Model.ASSISTED]) if Model.ASSISTED in whole else Credit(),
            campaigns=_campaigns([row for row in rows if row.level == queries.BY_CAMPAIGN and row.campaign_id], names),
        )


def _campaigns(rows: Sequence[Any], names: Mapping[UUID, str]) -> list[CampaignCredits]:
    found = [
        CampaignCredits.of(
            [row for row in rows if row.campaign_id == campaign_id], campaign_id=campaign_id, name=names[campaign_id]
        )
        for campaign_id in {row.campaign_id for row in rows}
    ]
    return sorted(found, key=lambda campaign: (-campaign.last_touch.amount_cents, campaign.campaign_id))


class RevenueOut(BaseModel):
    window_days: int
    is_reattributing: bool
    currencies: list[CurrencyRevenue]

    @classmethod
    def of(cls, window: AttributionWindow, rows: Sequence[Any], names: Mapping[UUID, str]) -> Self:
        return cls(
            window_days=window.days,
            is_reattributing=window.sweep_after is not None,
            currencies=[
                CurrencyRevenue.of(currency, list(group), names)
                for currency, group in groupby(rows, key=lambda row: row.currency)
            ],
        )


class RevenueEntryOut(Out):
    """One line of the books. What a recipient earned is the sum of its lines; a correction is a line, never an edit."""

    id: int
    payment_id: UUID
    payment_version: int
    model: Model
    campaign_id: UUID
    variant: str
    recipient_id: UUID
    contact_id: UUID
    invoice_id: UUID | None
    amount_cents: int
    currency: str
    reason: Reason
    occurred_at: Instant

    @classmethod
    def of(cls, entry: RevenueEntry) -> Self:
        return cls.model_validate(entry)


class RevenueSettingsIn(Body):
    window_days: Annotated[StrictInt, Field(ge=1, le=3650)]


class RevenueSettingsOut(BaseModel):
    """`is_reattributing`: payments are still being looked at under a window that was just changed."""

    version: int
    window_days: int
    changed_at: Instant | None
    changed_by: str | None
    is_reattributing: bool

    @classmethod
    def of(cls, window: AttributionWindow) -> Self:
        return cls(
            version=window.version,
            window_days=window.days,
            changed_at=window.changed_at,
            changed_by=window.changed_by,
            is_reattributing=window.sweep_after is not None,
        )
