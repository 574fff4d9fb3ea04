"""Documents: what they show is run."""
