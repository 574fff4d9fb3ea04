"""Notices: what a rule wants somebody to be told, on its way to become a message."""
