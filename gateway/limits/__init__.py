"""The gateway's noun `limits`: how fast the calls of a key may come."""
