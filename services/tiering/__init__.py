"""Tiering: which class each customer earned, by which policy, and how customers moved between classes."""
