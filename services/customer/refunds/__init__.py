"""The customer service's noun `refunds`: money given back."""
