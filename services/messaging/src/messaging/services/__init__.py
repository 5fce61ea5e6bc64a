"""Messaging's business logic."""
