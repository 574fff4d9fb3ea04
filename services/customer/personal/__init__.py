"""The customer service's noun `personal`: what customers tell of themselves."""
