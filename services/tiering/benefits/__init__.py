"""Benefits: what the chain offers to the classes of its schemes, and what a customer is entitled to."""
