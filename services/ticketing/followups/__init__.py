"""Follow-ups: the calls on a customer after a ticket was closed, who makes them, and what came of them."""
