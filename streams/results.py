"""Agents of the topics of results: each result goes to the handler, which has it judged."""

from streams.agents import add_agent
from streams.app import WorkerApp


def add_to(app: WorkerApp, topic: str) -> None:
    """Let the app judge the results of a topic."""
    add_agent(app, topic, f"results-{topic}")
