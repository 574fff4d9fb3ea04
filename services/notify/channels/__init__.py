"""Channels: how a message leaves the suite. Nothing else of the service knows a mail server or a folder."""
