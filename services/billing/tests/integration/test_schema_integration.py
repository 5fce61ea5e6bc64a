"""The mapped classes and the migrations say the same."""

from billing.models import Base
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database


async def test_models_and_migrations_agree(database: Database) -> None:
    await assert_no_drift(database.owner_url, Base.metadata)
