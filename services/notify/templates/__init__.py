"""Templates: what messages say, per channel and language, in versions that are approved."""
