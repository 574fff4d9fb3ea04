"""The gateway's noun `labels`: what people read for the codes of the contracts."""
