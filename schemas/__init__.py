"""WHAT TRAVELS: the events on every topic, as frozen pydantic models, and the registry of topics."""
