"""What `make` says while pip works."""

import io
import sys
from itertools import count

import pytest

from runtime.installing import Progress, install

PIP = """
import pathlib, sys
print("Collecting a==1 (from -r requirements.txt (line 1))")
print("  Downloading a-1.whl (1 kB)")
print("Requirement already satisfied: b==2 in there")
print("Installing collected packages: a, c, d")
pathlib.Path(sys.argv[1], "a-1.dist-info").mkdir()
print("ERROR: no room", file=sys.stderr)
sys.exit(int(sys.argv[2]))
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def site(tmp_path):
    (tmp_path / "pip-1.dist-info").mkdir()
    return tmp_path


def test_how_far_it_is(site):
    progress = Progress(3, site)
    assert str(progress) == "fetching packages: 0 of 3"
    for line in ("Looking in links: somewhere", "Collecting a==1 (from ...)", "Requirement already satisfied: b==2"):
        progress.see(line)
    assert str(progress) == "fetching packages: 2 of 3 b==2"
    progress.see("Installing collected packages: a, c")
    assert str(progress) == "unpacking packages: 0 of 2"
    (site / "a-1.dist-info").mkdir()
    assert str(progress) == "unpacking packages: 1 of 2"


@pytest.mark.parametrize("code", [0, 1])
def test_it_ends_as_pip_does_whose_errors_are_seen(site, code, capfd):
    out = io.StringIO()
    seconds = count(0, 60)  # a log has a line whenever some time has passed
    command = [sys.executable, "-c", PIP, str(site), str(code)]
    assert install(command, Progress(2, site), out, lambda: float(next(seconds))) == code
    said = out.getvalue().splitlines()
    assert "  unpacking packages: 1 of 3" in said
    assert ("  packages installed in " in out.getvalue()) is (code == 0)
    assert capfd.readouterr() == ("", "ERROR: no room\n")


def test_a_terminal_has_one_line_which_is_gone_in_the_end(site):
    out = Terminal()
    assert install([sys.executable, "-c", PIP, str(site), "0"], Progress(2, site), out) == 0
    *before, end = out.getvalue().split("\r\x1b[K")
    assert "  unpacking packages: 1 of 3" in before
    assert end.startswith("  packages installed in ")
    assert "\n" not in "".join(before)
