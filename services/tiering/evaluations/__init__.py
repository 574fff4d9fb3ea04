"""Evaluations: runs that grade all customers of a scheme as of a day."""
