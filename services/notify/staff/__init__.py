"""Staff: who serves in which role, and where; kept from what the customer service tells, so that roles can be told."""
