"""Clocks: the time limits of tickets, each the sum of its events."""
