"""What Alembic runs for every service; the revisions are the services' own."""
