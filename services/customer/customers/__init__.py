"""The customer service's noun `customers`: who the customers are."""
