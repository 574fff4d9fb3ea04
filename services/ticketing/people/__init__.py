"""People: the stores, the staff and the classes of customers, as far as other services tell of them."""
