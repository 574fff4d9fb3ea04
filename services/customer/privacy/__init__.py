"""The customer service's noun `privacy`: what was done with customers' personal data."""
