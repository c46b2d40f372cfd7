"""Directories of ours hold feedback, keys and passwords: nobody else on the machine can enter them."""

from pathlib import Path

from runtime.embedded.errors import DirectoryNotWritableError

PRIVATE = 0o700


def make_private(directory: Path) -> None:
    """Make it where it is not there. One that is there may be a person's own choice, and stays as it is.

    Raises:
        DirectoryNotWritableError: it cannot be made.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.mkdir(mode=PRIVATE, exist_ok=True)
    except OSError as error:
        cause = (error.strerror or type(error).__name__).lower()
        raise DirectoryNotWritableError(directory, cause, setting="FEEDBACK_HOME") from error


def keep_private(directory: Path) -> None:
    """Make it where it is not there, and close it where it is: for those that hold nothing but what is ours.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    directory.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o077:
        directory.chmod(PRIVATE)
