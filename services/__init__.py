"""The services. Each is a program of its own: none imports another, they meet through contracts."""
