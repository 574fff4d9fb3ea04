"""Ticketing: what customers bring forward, who answers for it, by when, and how it ends."""
