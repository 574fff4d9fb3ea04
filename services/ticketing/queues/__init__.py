"""Queues: which department works on a ticket."""
