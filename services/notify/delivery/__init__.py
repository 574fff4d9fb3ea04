"""Delivery: whom a message may reach and how, and what an attempt to hand it over came to."""
