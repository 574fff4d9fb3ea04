"""The `shuke` command: runs the suite, the demo and imports as a client like any other."""
