"""Gradings: what a grade result of tiering tells a customer."""
