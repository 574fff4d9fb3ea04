"""The customer service's noun `directory`: the chain's stores and staff."""
