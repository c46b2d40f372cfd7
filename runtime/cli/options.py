"""What several commands share: how they say things, and how they begin."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from runtime.process import configure_logging, run_until_signal
from runtime.settings import Settings, load_settings

T = TypeVar("T")


def begin(**overrides: object) -> Settings:
    """Read the settings and set up logging.

    Raises:
        UserError: a setting does not fit.
    """
    settings = load_settings(**overrides)
    configure_logging(settings.log_level)
    return settings


def serve(main: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
    """Run a long-lived command: SIGTERM and SIGINT set the event, and `main` ends in order."""
    return run_until_signal(main)


def say(line: str) -> None:
    """One line for the person or the log; never held back in a buffer."""
    click.echo(line)
