"""Memberships: the class that each customer holds, since when, and the movements that led there."""
