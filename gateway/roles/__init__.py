"""The gateway's noun `roles`: which permissions a role has. Roles are policy data."""
