"""How a process of ours ends: the numbers that scripts, service managers and our own supervisor go by."""

BUG = 1
"""A bug, or an unanswered record."""

USER = 2
"""Something that the user can mend; one line on stderr says what, and how."""

HALTED = 3
"""A worker halted itself: started again, it would meet the same."""

INTERRUPTED = 130
"""Ctrl-C, as shells count it: 128 + SIGINT."""
