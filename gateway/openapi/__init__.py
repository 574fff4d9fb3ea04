"""The description of the HTTP API: an OpenAPI document made from the contracts, and a page of it for people."""
