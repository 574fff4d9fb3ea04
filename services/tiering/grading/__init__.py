"""Grading: the class that a ladder gives for a customer's figures."""
