"""The customer service's noun `ledger`: the receipts of sales and refunds, and what they add up to."""
