"""The customer service's noun `corrections`: sales that are voided, or attached to another customer."""
