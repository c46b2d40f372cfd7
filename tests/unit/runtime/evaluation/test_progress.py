"""A bar for a terminal, a line now and then for a log."""

import io

from rich.console import Console

from runtime.evaluation.progress import Bar


def shown(*, terminal):
    now = iter([0.0, 0.0, 0.0, 5.0, 10.0, 10.0, 12.0])
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Bar(console, 4, lambda: next(now)) as bar:
        for done in range(1, 5):
            bar.show(done)
    return console.file.getvalue()


def test_without_a_terminal_there_is_a_line_at_first_and_every_ten_seconds():
    assert shown(terminal=False) == "1 of 4 records\n3 of 4 records\n"


def test_a_terminal_has_a_bar():
    assert "4/4" in shown(terminal=True)
