"""A bar for a terminal, a line now and then for a log."""

import io

from rich.console import Console

from runtime.evaluation.progress import Bar


def shown(*, terminal):
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Bar(console, 4, lambda: now[0]) as bar:
        for done, now[0] in enumerate((0.0, 5.0, 10.0, 12.0), 1):
            bar.show(done)
    return console.file.getvalue()


def test_without_a_terminal_there_is_a_line_at_first_for_the_first_every_ten_seconds_and_at_the_end():
    assert shown(terminal=False) == "0 of 4 records\n1 of 4 records\n3 of 4 records\n4 of 4 records\n"


def test_what_is_broken_off_says_how_far_it_came_once():
    console = Console(file=io.StringIO(), width=100)
    with Bar(console, 4, lambda: 0.0) as bar:
        bar.show(1)
        bar.show(2)
    with Bar(console, 3, lambda: 0.0):
        pass
    assert console.file.getvalue() == "0 of 4 records\n1 of 4 records\n2 of 4 records\n0 of 3 records\n"


def test_a_terminal_has_a_bar():
    assert "4/4" in shown(terminal=True)
