"""The customer service's noun `store_days`: the day close."""
