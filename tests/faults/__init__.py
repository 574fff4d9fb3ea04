"""Faults: what is done to the suite's processes, databases and transports, and what must hold all the same.

Each test has a short form, which `make test` runs, and a full one, which is marked `whole` and run by `make faults`. It
tells in one line what it injected, what was acknowledged, and what was found afterwards.
"""
