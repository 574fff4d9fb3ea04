"""What the contracts promise about themselves."""
