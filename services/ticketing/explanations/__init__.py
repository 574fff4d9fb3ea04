"""Explanations: why the clocks of a ticket stand where they stand, in sentences."""
