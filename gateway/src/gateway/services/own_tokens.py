"""The gateway's own tokens for calling the services: it signs them itself."""

from pydantic import SecretStr
from shared.auth import ServiceTokens

from gateway.roles import INTERNAL
from gateway.services.signing_keys import SigningKeys
from gateway.tokens import Claims


class OwnTokens(ServiceTokens):
    def __init__(self, keys: SigningKeys) -> None:
        super().__init__(gateway_url="", service="gateway", secret=SecretStr(""))
        self._keys = keys

    async def token_for(self, audience: str) -> str:
        return await self._keys.sign(Claims(audience, "gateway", "service", "gateway", (INTERNAL,)))
