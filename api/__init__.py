"""TABLE -> HTTP, read only. The only home of FastAPI."""
