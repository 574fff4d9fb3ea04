"""Rules: which occasion is told to customers, with which template and over which channels."""
