"""What happened to a ticket, entry by entry."""
