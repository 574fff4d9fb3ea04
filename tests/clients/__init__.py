"""Clients in other languages, before a suite as it runs."""
