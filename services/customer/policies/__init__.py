"""The customer service's noun `policies`: what the chain decides on for customers, in versions that are approved."""
