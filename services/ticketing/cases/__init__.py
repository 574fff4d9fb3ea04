"""Cases: tickets with their clocks, commitments and solutions, and how they are stored."""
