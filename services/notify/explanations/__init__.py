"""Explanations: why a message stands where it stands, in sentences."""
