"""Metrics for Prometheus: `figures` is what is watched, `collector` gives it names, `server` answers scrapes.

Nothing here is imported from the library, and nothing listens, unless METRICS_PORT is set.
"""
