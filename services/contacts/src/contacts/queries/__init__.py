"""Reads: SQL in, views out."""
