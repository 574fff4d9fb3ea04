"""Time limits of tickets: which rule of the SLA policy gives which clocks, and why clocks may stand still."""
