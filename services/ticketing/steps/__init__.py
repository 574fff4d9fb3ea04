"""Steps: what every verb of a ticket is made of."""
