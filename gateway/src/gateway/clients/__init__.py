"""The other services, as the gateway asks them."""
