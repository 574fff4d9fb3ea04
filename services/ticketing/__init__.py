"""Ticketing: what customers bring, who answers for it, and by when."""
