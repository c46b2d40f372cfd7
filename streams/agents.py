"""What all agents have in common: messages of one topic go to the engine.

There is one agent for each input topic, not one for each operation: an input that cannot be read must make one dead
letter and not one for each operation, and its offset is released once, when the last of its operations is done.
"""

from typing import Any

from streams.app import WorkerApp, raw_topic


def add_agent(app: WorkerApp, topic: str, name: str) -> None:
    """Let the app read a topic; its messages go to the app's engine."""

    async def agent(stream: Any) -> None:
        # The channel, not the stream: iterating over a stream costs a turn of the event loop and a dozen calls for
        # each message, for sensors, processors and acknowledgements that are not used.
        await app.engine.consume(app.backlog.add(stream.noack().channel.queue))

    app.agent(raw_topic(app, topic), name=name, concurrency=1)(agent)
