"""A pair of tokens is written only over the pair that it was got for."""

import pytest
import svcs
from billing.models import OAuthToken
from billing.provider import Tokens
from billing.services.tokens import TokenKeeper
from shared.database import UnitOfWork
from sqlalchemy import update
from sqlalchemy.exc import NoResultFound

from .office import REALM, Office

OLD = Tokens("old access", "old refresh", access_seconds=3_600, refresh_seconds=8_640_000)


async def test_tokens_that_are_older_than_the_row_are_refused(connected: Office) -> None:
    """No lock lets it come to this; were one taken away, the newer pair would stand all the same."""
    before = await connected.one(OAuthToken)
    async with svcs.Container(connected.registry) as container:
        keeper = await container.aget(TokenKeeper)
    async with connected.begin() as tx:
        uow = await tx.aget(UnitOfWork)
        row = await uow.session.get_one(OAuthToken, REALM)
        newer = update(OAuthToken).values(version=OAuthToken.version + 1)
        await uow.session.execute(newer, execution_options={"synchronize_session": False})
        with pytest.raises(NoResultFound):
            await keeper._keep(uow, row, OLD)
    after = await connected.one(OAuthToken)
    assert (after.version, after.refreshes) == (before.version + 1, before.refreshes)
    assert (after.sealed_access, after.sealed_refresh) == (before.sealed_access, before.sealed_refresh)
    assert await keeper.token(REALM) != OLD.access
