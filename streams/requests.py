"""Agent of `feedback.requests`: each request goes to the handler, which makes the analysis."""

from streams.agents import add_agent
from streams.app import WorkerApp


def add_to(app: WorkerApp, topic: str) -> None:
    """Let the app answer requests."""
    add_agent(app, topic, "requests")
