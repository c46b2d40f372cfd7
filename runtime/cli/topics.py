"""`feedback topics`."""

import asyncio

import click

from runtime.cli.options import begin, say


@click.group(short_help="List or create the topics.")
def command() -> None:
    """The topics that the system uses."""


@command.command("list")
def list_topics() -> None:
    """Show every topic: what travels there, who writes and who reads it."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from schemas.topics import TOPICS

    table = Table(pad_edge=False, box=SIMPLE_HEAD)
    table.add_column("topic", no_wrap=True)
    table.add_column("events", no_wrap=True)
    table.add_column("written by -> read by", overflow="fold")
    for topic in TOPICS:
        events = "\n".join(event.__name__ for event in topic.events)
        table.add_row(topic.name, events, f"{topic.written_by} -> {topic.read_by}")
    Console().print(table)


@command.command()
def create() -> None:
    """Create the topics that are missing. Safe to repeat."""
    settings = begin()
    from adapters.kafka.admin import ensure_topics
    from runtime.wiring import kafka_connection

    created = asyncio.run(
        ensure_topics(kafka_connection(settings), settings.kafka_topic_partitions, settings.kafka_replication_factor)
    )
    say(f"Created {', '.join(created)}." if created else "All topics were there.")


@command.command()
@click.argument("event", required=False)
def schema(event: str | None) -> None:
    """Print the JSON Schema of an EVENT, or the names of all events."""
    import json

    from schemas.topics import TOPICS

    events = {model.__name__: model for topic in TOPICS for model in topic.events}
    if event is None:
        for name in sorted(events):
            say(name)
    elif event in events:
        say(json.dumps(events[event].model_json_schema(), indent=2))
    else:
        raise click.UsageError(f"There is no event {event}. Choose one of {', '.join(sorted(events))}.")
