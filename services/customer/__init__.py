"""The book of record: customers and what they bought."""
