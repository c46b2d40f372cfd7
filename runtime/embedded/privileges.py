"""PostgreSQL refuses to be root. Where we are root (a container, often), it runs as a user without rights."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.errors import RootNotAllowedError

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as.

    Attributes:
        override: the user cannot enter the directories above its files (root's home, say), so that it needs the
            capability to pass by file permissions. We never change the permissions of directories that are not ours.
    """

    name: str
    uid: int
    gid: int
    override: bool


def unprivileged_account(paths: list[Path], *, owner_of: Path) -> Account | None:
    """The user to run as; None where we are not root and need no other.

    Args:
        paths: what that user must reach.
        owner_of: data whose owner it must be, where it exists already.

    Raises:
        RootNotAllowedError: this system knows none of the usual users without rights.
    """
    if os.geteuid() != 0:
        return None
    users = pwd.getpwall()
    owner = owner_of.stat().st_uid if owner_of.exists() else 0
    candidates = [user for user in users if user.pw_uid == owner != 0]
    candidates += [user for name in _CANDIDATES for user in users if user.pw_name == name]
    if not candidates:
        raise RootNotAllowedError(paths[0], " or ".join(_CANDIDATES))
    user = candidates[0]
    return Account(user.pw_name, user.pw_uid, user.pw_gid, override=not all(map(_open_to_all, paths)))


def _open_to_all(path: Path) -> bool:
    """Whether every user may enter all directories above a path, and read and execute the path itself."""
    needed = stat.S_IROTH | stat.S_IXOTH
    above = all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
    return above and (path.stat().st_mode & needed) == needed
