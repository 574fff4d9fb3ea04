"""The customer service's noun `interactions`: the communication log."""
