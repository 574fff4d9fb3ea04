"""Improvement actions: what the chain does so that what a ticket tells of does not come again."""
