"""The policies that tickets are handled by: what is in force, and what makes a version fit for it."""
