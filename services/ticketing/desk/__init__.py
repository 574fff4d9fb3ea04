"""The desk: the one way that every verb of every service of this API goes."""
