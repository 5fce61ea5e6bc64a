"""The business logic of contacts."""
