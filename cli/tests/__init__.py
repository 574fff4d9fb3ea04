"""Tests of the `shuke` command."""
