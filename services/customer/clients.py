"""What the customer service asks of other services."""

from __future__ import annotations

from chassis.client import Credentials, FeedClient, open_channel


def tiering_feed(address: str, credentials: Credentials) -> FeedClient:
    """Connect to tiering's event feed."""
    return FeedClient("tiering", open_channel(address), credentials)
