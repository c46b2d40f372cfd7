"""The database's history, as Alembic runs it: `env.py`, and one file per step in `versions/`."""
