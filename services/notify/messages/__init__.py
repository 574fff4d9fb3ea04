"""Messages: what somebody is to be told, where it stands, and every attempt to hand it over."""
