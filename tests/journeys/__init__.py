"""Journeys: the suite as it runs, every part a process of its own, called through the front door."""
