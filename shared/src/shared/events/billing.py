"""Events of the billing service (stream BILLING). Its first types come with the service."""
