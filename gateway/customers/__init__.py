"""The gateway's noun `customers`: what all services together know of a customer."""
