"""Developers' scripts: what the Makefile calls. Nothing here runs in production."""
