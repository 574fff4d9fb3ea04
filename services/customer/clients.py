"""What the customer service asks of other services."""

from __future__ import annotations

from chassis.client import Credentials, FeedClient, open_channel


def feed_of(api: str, address: str, credentials: Credentials) -> FeedClient:
    """Connect to the event feed of another service."""
    return FeedClient(api, open_channel(address), credentials)
