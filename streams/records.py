"""Agent of `feedback.records`: each record goes to the handler, which codes and summarises it."""

from streams.agents import add_agent
from streams.app import WorkerApp


def add_to(app: WorkerApp, topic: str) -> None:
    """Let the app answer feedback records."""
    add_agent(app, topic, "records")
