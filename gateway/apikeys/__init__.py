"""The gateway's noun `apikeys`: the keys with which tills, systems and staff call the suite."""
