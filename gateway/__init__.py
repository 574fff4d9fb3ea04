"""The front door: HTTP/JSON for clients in front of the suite's gRPC services."""
