"""What the parts promise each other and the outside: every HTTP boundary, the provider's description, the events."""
