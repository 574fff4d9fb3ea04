"""The customer service's noun `contacts`: whether, and where, a customer may be addressed."""
