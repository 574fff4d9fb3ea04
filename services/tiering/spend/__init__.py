"""The tiering service's noun `spend`: what each customer spent per business date, and since when."""
