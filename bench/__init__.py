"""The measure of what the suite costs and takes: as it runs, against the least that could do the same, and targets."""
