"""The tiering service's noun `analytics`: figures about classes."""
