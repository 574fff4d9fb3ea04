"""The customer service's noun `purchases`: sales."""
