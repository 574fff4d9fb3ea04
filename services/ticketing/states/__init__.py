"""The table of states and verbs."""
