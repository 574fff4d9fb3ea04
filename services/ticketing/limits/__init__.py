"""Verbs that work the time limits."""
