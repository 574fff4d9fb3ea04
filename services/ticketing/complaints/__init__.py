"""The steps of a complaint, promised times, progress, compensation."""
