"""What several commands share: how they say things, and how they begin."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from runtime.process import configure_logging, run_until_signal
from runtime.settings import Settings, load_settings

T = TypeVar("T")


def begin(*, at_terminal: bool = False, **overrides: object) -> Settings:
    """Read the settings and set up logging.

    Args:
        at_terminal: a person waits for the command's own words: Kafka's client, which tries again what fails, and
            says so a dozen times when topics are new, is not heard.
        overrides: settings by field name, as `load_settings` takes them.

    Raises:
        UserError: a setting does not fit.
    """
    settings = load_settings(**overrides)
    configure_logging(settings.log_level)
    if at_terminal:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return settings


def serve(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run a long-lived command: SIGTERM and SIGINT set the event, and `main` ends in order."""
    return run_until_signal(main)


def say(line: str) -> None:
    """One line for the person or the log; never held back in a buffer."""
    click.echo(line)
