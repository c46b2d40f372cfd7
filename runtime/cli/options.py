"""What several commands share: how they say things, and how they begin."""

import logging
from collections.abc import Callable
from typing import Any

import click

from runtime.process import configure_logging
from runtime.settings import Settings, load_settings

give_up_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--give-up-after",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=900,
    show_default=True,
    help="End, with exit code 1 and what there is, after so long without a record published or a new outcome or, once"
    " all outcomes are there, without a new row; 0: never.",
)


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


def say(line: str) -> None:
    """One line for the person or the log; never held back in a buffer."""
    click.echo(line)


def printable(text: str) -> str:
    """A value that cannot break its line, nor command the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def warn(line: str) -> None:
    """One line on stderr that begins as the line of an error does, whatever line breaks a quoted word brings along."""
    click.echo(f"feedback: {' '.join(line.split())}", err=True)
