"""Tickets: what an event of ticketing tells, and whom."""
