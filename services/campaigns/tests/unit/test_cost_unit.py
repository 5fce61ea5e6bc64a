"""Costs are exact decimals."""

from decimal import Decimal
from typing import cast

import pytest
from campaigns.cost import campaign_cost, segments_cost
from campaigns.services.campaigns import CampaignService
from campaigns.settings import Settings
from hypothesis import given
from hypothesis import strategies as st
from shared.database import UnitOfWork
from shared.errors import Invalid

NICKEL = Decimal("0.05")


@pytest.mark.parametrize(
    ("recipients", "segments", "cost"),
    [(100, 1, "5.00"), (0, 1, "0.00"), (1, 1, "0.05"), (2000, 2, "200.00"), (7, 3, "1.05")],
)
def test_known_costs(recipients, segments, cost) -> None:
    found = campaign_cost(recipients, segments=segments, price_per_segment=NICKEL)
    assert (found, str(found)) == (Decimal(cost), cost)


@given(st.integers(0, 10**7), st.integers(1, 10))
def test_the_whole_costs_what_its_parts_cost(recipients, segments) -> None:
    whole = campaign_cost(recipients, segments=segments, price_per_segment=NICKEL)
    assert whole * 20 == recipients * segments


def test_a_price_below_a_cent_keeps_its_places() -> None:
    assert segments_cost(3, Decimal("0.0079")) == Decimal("0.0237")


@pytest.mark.parametrize(("recipients", "segments"), [(-1, 1), (1, 0), (1, -2)])
def test_nonsense_is_refused(recipients, segments) -> None:
    with pytest.raises(Invalid):
        campaign_cost(recipients, segments=segments, price_per_segment=NICKEL)


def test_the_service_works_costs_out_at_the_configured_price() -> None:
    settings = Settings.model_construct(price_per_segment=NICKEL)
    campaigns = CampaignService(cast("UnitOfWork", None), settings)
    assert campaigns.calculate_campaign_cost(100) == Decimal("5.00")
    assert campaigns.calculate_campaign_cost(100, segments=2) == Decimal("10.00")
