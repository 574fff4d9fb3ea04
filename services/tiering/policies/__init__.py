"""Policies: the numbered rules of each scheme, written and approved by the chain."""
