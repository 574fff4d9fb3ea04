"""The verbs of a ticket from intake to its end."""
