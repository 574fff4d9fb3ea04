"""The measure of what our calls cost: the service as it runs, against the least that could do the same."""
