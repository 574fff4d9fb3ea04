"""The gateway's noun `tills`: what a till needs to know at its start."""
