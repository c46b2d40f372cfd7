"""A library's repeated lines are counted, not repeated; ours all pass."""

import logging

from runtime.crashes import DiscreetFormatter
from runtime.quieting import SECONDS, OncePerSpell


def a_line(name: str, line: int, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "client.py", line, "Unable to connect to %s", args, None)


def test_what_one_place_of_a_library_repeats_is_said_once_in_a_spell_and_then_counted():
    now = 0.0
    once = OncePerSpell(("aiokafka",), lambda: now)

    passed = []
    for second in range(int(SECONDS) + 1):
        now = float(second)
        line = a_line("aiokafka.client", 7, second)
        if once.filter(line):
            passed.append(line.getMessage())

    assert passed == ["Unable to connect to 0", "Unable to connect to 30 (29 more like this in the last 30 s)"]


def test_an_exception_among_the_arguments_stays_one_so_that_the_formatter_can_keep_its_text_back():
    now = 0.0
    once = OncePerSpell(("aiokafka",), lambda: now)
    lines = [a_line("aiokafka", 7, ValueError("somebody's words")) for _ in range(3)]
    assert [once.filter(line) for line in lines[:2]] == [True, False]
    now = SECONDS

    assert once.filter(lines[2])
    assert "somebody" not in DiscreetFormatter("%(message)s").format(lines[2])


def test_a_line_without_arguments_may_hold_a_percent_sign():
    now = 0.0
    once = OncePerSpell(("faust",), lambda: now)
    lines = [logging.LogRecord("faust", logging.ERROR, "client.py", 7, "at 100% of it", (), None) for _ in range(3)]
    assert [once.filter(line) for line in lines[:2]] == [True, False]
    now = SECONDS

    assert once.filter(lines[2])
    assert lines[2].getMessage() == "at 100% of it (1 more like this in the last 30 s)"


def test_other_places_and_other_programs_are_not_counted_together():
    once = OncePerSpell(("aiokafka",), lambda: 0.0)

    lines = [a_line("aiokafka.client", 7, 1), a_line("aiokafka.client", 8, 1), a_line("aiokafkaesque", 7, 1)]
    ours = [a_line("streams.worker", 7, number) for number in range(3)]

    assert all(once.filter(line) for line in [*lines, *ours])
    assert not once.filter(a_line("aiokafka.client", 7, 2))


def test_what_it_remembers_is_bounded():
    once = OncePerSpell(("aiokafka",), lambda: 0.0)

    for line in range(10_000):
        once.filter(a_line("aiokafka", line, line))

    assert len(once._said) <= 1000
