"""How long `make demo` takes in a fresh clone: first with empty caches, then again.

    python -m bench.demo_time [--times 2] [--repository PATH]

The clone, the home directory and all caches (pip's, Maven's, ours) are new and temporary, so the first run fetches
everything; the others find it. What is cloned is what was committed. The network's speed is in the first figure.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import show, table

ROOT = Path(__file__).parents[1]
LAST_LINE = re.compile(r"^demo: records=.*$", re.M)
_ITS_OWN = ("VIRTUAL_ENV", "PYTHONPATH", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "FEEDBACK_HOME")


def environment(home: Path) -> dict[str, str]:
    """This process's, with a home and caches of its own; how pip reaches its index stays as it is."""
    kept = {name: value for name, value in os.environ.items() if name not in _ITS_OWN}
    config = next((file for file in _pip_configs() if file.is_file()), None)
    if config is not None:
        kept.setdefault("PIP_CONFIG_FILE", str(config))
    return {
        **kept,
        "HOME": str(home),
        "PIP_CACHE_DIR": str(home / "pip"),
        "FEEDBACK_CACHE_DIR": str(home / "feedback"),
        "PYTHON": os.environ.get("PYTHON", str(Path(sys.base_prefix, "bin", "python3"))),
    }


def _pip_configs() -> list[Path]:
    home = Path.home()
    return [home / ".config" / "pip" / "pip.conf", home / ".pip" / "pip.conf"]


def demo(clone: Path, env: dict[str, str]) -> tuple[float, str]:
    """Run it once: the seconds it took, and its last line."""
    began = time.monotonic()
    done = subprocess.run(["make", "demo"], cwd=clone, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    ended = LAST_LINE.search(done.stdout)
    if done.returncode != 0 or ended is None:
        sys.exit(f"{done.stdout}{done.stderr}\nbench: make demo did not end well (exit code {done.returncode}).")
    return seconds, ended[0]


def main() -> None:
    """See the module's docstring."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repository", type=Path, default=ROOT, help="what to clone; default: this one")
    options.add_argument("--times", type=int, default=2, help="how often in all; default 2")
    given = options.parse_args()
    made = table("make demo in a fresh clone", ("run", "seconds", "last line"))
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        clone, home = Path(directory, "clone"), Path(directory, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(given.repository.absolute()), str(clone)], check=True)
        env = environment(home)
        for number in range(given.times):
            seconds, last_line = demo(clone, env)
            print(f"run {number + 1}: {seconds:.1f} s", file=sys.stderr, flush=True)
            name = "first, empty caches" if number == 0 else f"{number + 1}."
            made.add_row(name, f"{seconds:.1f}", last_line.removeprefix("demo: "))
    show(made)


if __name__ == "__main__":
    main()
