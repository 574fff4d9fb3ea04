"""Tests of what crosses a service's wall, and of the repository's own rules."""
