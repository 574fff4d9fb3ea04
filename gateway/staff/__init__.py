"""The gateway's noun `staff`: in whose name a key may act."""
