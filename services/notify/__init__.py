"""Notify: what customers are told, by which rule and template, over which channel, and what became of it."""
