"""Ticketing: the matters of customers from intake to their end, and the time limits and promises on them."""
