"""Rules: which occasion is told to whom, with which template and over which channels."""
