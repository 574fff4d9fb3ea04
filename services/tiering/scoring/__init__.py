"""Scoring: the order of all customers by weighted ranks, and the class that each gets by its place in it."""
