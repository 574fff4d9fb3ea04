"""The customer service's noun `exchanges`: goods taken back and goods sold for them in one."""
