"""Faults of this program, told so that no text of an input comes along."""

import logging
import traceback

from domain.errors import BugError, FeedbackError

logger = logging.getLogger(__name__)

TRIES = 2
"""How often an input is tried after an unknown exception: the first may have been chance."""


def log_fault(error: BaseException, where: str) -> None:
    """Say what kind of exception it is and where it was raised. Its text is left out: it may quote the input."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("Unexpected %s in %s\n%s", type(error).__name__, where, frames)


def as_ours(error: BaseException, where: str) -> FeedbackError:
    """An error as it may travel on: one of ours as it is; any other is logged and becomes a BugError.

    Raise what this returns after the `except` clause, not in it: an exception raised there carries the other along.
    """
    if isinstance(error, FeedbackError):
        return error
    log_fault(error, where)
    return bug(error, where)


def bug(error: BaseException, where: str) -> BugError:
    """The BugError that stands for an exception that was logged already."""
    return BugError(f"A fault in this program: {type(error).__name__} in {where}. The log says where it was raised.")
