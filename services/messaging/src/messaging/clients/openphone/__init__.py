"""OpenPhone, now named Quo."""
