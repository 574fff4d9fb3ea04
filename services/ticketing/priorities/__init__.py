"""Priorities: in which order tickets are worked on, and why."""
