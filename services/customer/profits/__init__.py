"""The customer service's noun `profits`: what sales brought, told once it is known."""
