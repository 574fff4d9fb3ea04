"""The customer service's noun `spend`: what a customer spent."""
