"""What the tiering service asks of other services."""

from __future__ import annotations

from chassis.client import Credentials, FeedClient, open_channel


def customer_feed(address: str, credentials: Credentials) -> FeedClient:
    """Connect to the customer service's event feed."""
    return FeedClient("customer", open_channel(address), credentials)
