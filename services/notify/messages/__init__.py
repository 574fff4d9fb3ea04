"""Messages: what a customer is to be told, where it stands, and every attempt to hand it over."""
