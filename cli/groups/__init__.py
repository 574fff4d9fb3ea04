"""The commands that call a running suite, a module for each group."""
