"""Installs pinned packages with pip, and says how far it is: pip takes minutes, and is silent or says too much.

For `make`, in a virtual environment that has nothing but pip: run it as a file, `python -P runtime/installing.py FILE`.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

_PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "--require-hashes", "-r")
_FOUND = re.compile(r"(?:Collecting|Requirement already satisfied:) (\S+)")
_UNPACKING = "Installing collected packages: "
_PINNED = re.compile(r"^[A-Za-z0-9][^\s#]*==", re.MULTILINE)
_LOOK_SECONDS = 0.2
_LINE_SECONDS = 15.0
_WIDTH = 79


class Progress:
    """What pip is at, from what it writes and from what it has put into place.

    Args:
        packages: how many are asked for.
        site: where they go.
    """

    def __init__(self, packages: int, site: Path) -> None:
        self._packages, self._site = packages, site
        self._fetched, self._name = 0, ""
        self._unpacking, self._before = 0, self._in_place()

    def see(self, line: str) -> None:
        """Take note of a line that pip wrote."""
        if found := _FOUND.match(line):
            self._fetched, self._name = self._fetched + 1, found[1]
        elif line.startswith(_UNPACKING):
            self._unpacking = line.count(",") + 1

    def __str__(self) -> str:
        if self._unpacking:
            done = min(max(0, self._in_place() - self._before), self._unpacking)
            return f"unpacking packages: {done} of {self._unpacking}"
        return f"fetching packages: {self._fetched} of {self._packages} {self._name}".rstrip()

    def _in_place(self) -> int:
        return sum(1 for _ in self._site.glob("*.dist-info"))


def install(
    command: Sequence[str], progress: Progress, out: TextIO, clock: Callable[[], float] = time.monotonic
) -> int:
    """Run pip to its end and say how far it is: on a terminal in one line, elsewhere in a new one now and then.

    Args:
        command: pip's, whose errors go to stderr as they come.
        progress: takes note of the other things that it writes.
        out: for a person.
        clock: counts seconds.

    Returns:
        pip's exit code.
    """
    began = said_at = clock()
    on_terminal = out.isatty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as pip:
        reader = threading.Thread(target=_read, args=(pip.stdout, progress), daemon=True)
        reader.start()
        while reader.is_alive():
            reader.join(_LOOK_SECONDS)
            if on_terminal:
                out.write(f"\r\x1b[K  {progress}"[: _WIDTH + len("\r\x1b[K")])
                out.flush()
            elif clock() - said_at >= _LINE_SECONDS:
                said_at = clock()
                print(f"  {progress}", file=out, flush=True)
    if on_terminal:
        out.write("\r\x1b[K")
    if pip.returncode == 0:
        print(f"  packages installed in {clock() - began:.0f} s", file=out, flush=True)
    return pip.returncode


def _read(written: TextIO, progress: Progress) -> None:
    for line in written:
        progress.see(line)


def main(file: Path) -> int:
    """Install what a file of pinned requirements names; returns pip's exit code."""
    progress = Progress(len(_PINNED.findall(file.read_text())), Path(sysconfig.get_path("purelib")))
    try:
        return install([sys.executable, *_PIP, str(file)], progress, sys.stdout)
    except KeyboardInterrupt:  # pip got it, too, and has ended
        sys.stdout.write("\n")
        return 130


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
