"""`feedback`: finds the sub-command and turns what goes wrong into one line and an exit code (`runtime.exit_codes`)."""

import errno
import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import click

from domain.errors import FeedbackError, UserError, WorkerHaltedError
from runtime import exit_codes
from runtime.crashes import be_discreet, say

COMMANDS = {
    "up": "Start the whole system and keep it running.",
    "run": "Answer the records of a JSON Lines file and write the results.",
    "eval": "Measure how often a model finds the codes that people chose, and what that takes.",
    "demo": "Run the whole system on the sample records and show what comes out.",
    "worker": "Stream worker: feedback records in, results out.",
    "judge": "Judge: a second opinion on results.",
    "consumer": "Consumer: LLM-call events into the database.",
    "roller": "Roller: the rollups that usage is answered from.",
    "budgets": "Budgets: tells when a tenant's LLM calls cost too much.",
    "api": "Read API over the usage of LLM calls.",
    "migrate": "Bring the database to the newest schema.",
    "topics": "List, create or describe the topics.",
    "keys": "Create, list and revoke API keys.",
    "usage": "Show what was used, and what it cost.",
    "dead-letters": "List, show or replay what could not be answered.",
    "reprice": "Price stored LLM calls anew, by a file of dated prices.",
    "retention": "Drop the LLM calls of old months; what they add up to stays.",
    "import-usage": "Adopt the LLM calls of an older service's table.",
    "lag": "Show what the workers and consumers have not read yet.",
}

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

SERVICES = frozenset({"up", "worker", "judge", "consumer", "roller", "budgets", "api"})
"""They run until they are stopped: SIGTERM is a good end, also while they are still being imported."""


class LazyCommands(click.Group):
    """Knows every sub-command's name and summary without importing it, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """The names, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the sub-command's module and return its `command`."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in SERVICES:
            # Nothing is there yet to be tidied up; an exception could rise anywhere in an import, and be swallowed.
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        command: click.Command = importlib.import_module(f"runtime.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of sub-commands from their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="feedback-streams")
def feedback() -> None:
    """Understand what communities tell you: feedback records in, codes and summaries out, every LLM call counted.

    Settings come from the environment or a .env file; .env.example lists them.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; ends the process with one of our exit codes.

    Args:
        arguments: the words after `feedback`; None: those of this process, which is then ours alone.
    """
    if arguments is None:
        be_discreet()
    try:
        sys.exit(_exit_code(arguments))
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(exit_codes.INTERRUPTED)
    except OSError as error:
        words = sys.argv[1:] if arguments is None else arguments
        if error.errno not in _NO_ROOM or (words and words[0] in SERVICES):  # these are started again
            say(error)
            sys.exit(exit_codes.BUG)
        sys.exit(_cannot_write(error))
    except Exception as error:  # noqa: BLE001 - the process's edge: a traceback could quote feedback
        say(error)
        sys.exit(exit_codes.BUG)


def _exit_code(arguments: list[str] | None) -> int:
    try:
        code = feedback.main(arguments, prog_name="feedback", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return exit_codes.USER
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        asked = f"{context.command_path} --help" if context else "feedback --help"
        return _say(f"{error.format_message()} See `{asked}`.", exit_codes.USER)
    except UserError as error:
        return _say(f"{error.message} {error.remedy}", exit_codes.USER)
    except WorkerHaltedError as error:
        return _say(f"halted: {error.message}", exit_codes.HALTED)
    except FeedbackError as error:
        return _say(error.message, exit_codes.BUG)
    if sys.stdout is not None:
        sys.stdout.flush()  # here, where it can be told that there is no room
    return code if isinstance(code, int) else 0


def _cannot_write(error: OSError) -> int:
    with suppress(OSError):  # what is left in the buffer would be complained of once more at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _say(
        f"The output, or a file, cannot be written ({error.strerror}). Make room, or name another place.",
        exit_codes.USER,
    )


def _say(text: str, code: int) -> int:
    """One line, whatever line breaks a quoted path or a server's words bring along."""
    click.echo(f"feedback: {' '.join(text.split())}", err=True)
    return code


if __name__ == "__main__":
    main()
