"""Policies: what the chain decides on for notices, in versions that are approved."""
