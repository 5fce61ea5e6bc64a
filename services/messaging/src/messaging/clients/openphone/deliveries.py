"""The provider's webhooks at our door: whose they are, by which name they are known, and that they are durable."""

import hashlib
from collections.abc import Mapping

from shared.clock import wall_now

from messaging.clients.openphone.payloads import peek
from messaging.clients.openphone.signatures import InvalidSignature, Keys
from messaging.services.subscriptions import AcceptedKeys
from messaging.services.webhooks import Arrival, DeliveryStore

MOST_ID = 200


class SignedDeliveries:
    """Verifies and stores webhooks: the receiver of routes/webhooks.py."""

    def __init__(self, keys: AcceptedKeys[Keys], store: DeliveryStore) -> None:
        self._keys = keys
        self._store = store

    async def verify(self, headers: Mapping[str, list[str]], body: bytes) -> Arrival:
        keys = self._keys.current
        try:
            verified = keys.verify(headers, body, wall_now())
        except InvalidSignature:
            fresh = await self._keys.newer_than(keys)
            if fresh is None:
                raise
            verified = fresh.verify(headers, body, wall_now())
        event_id, event_type = peek(body)
        # In the legacy scheme the event names the delivery; one that can't is kept all the same, under its bytes.
        named = verified.delivery_id or event_id
        delivery_id = named if 0 < len(named) <= MOST_ID else hashlib.sha256(body).hexdigest()
        return Arrival(verified.scheme, delivery_id, event_type[:100], body)

    async def store(self, arrival: Arrival) -> None:
        await self._store.put(arrival)
