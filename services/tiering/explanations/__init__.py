"""Explanations: why a customer holds its class, and what an evaluation of today would make of it."""
