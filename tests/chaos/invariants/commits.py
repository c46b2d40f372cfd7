"""I6: no commit ever passes an input that is not finished; and that was looked at often enough to be seen."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate

from tests.chaos.evidence import Evidence
from tests.chaos.invariants.book import Book, where
from tests.chaos.invariants.timeline import Timeline

_MOST_BETWEEN = 3.0
"""Seconds from one sample to the next, on average; they are to be taken every second."""


def looked_at(evidence: Evidence) -> Iterator[str]:
    """I6: where there are inputs, there are samples: enough of them for the time in which they were to be taken."""
    taken, seconds = len(evidence.samples), evidence.watched_seconds
    if evidence.inputs and (not taken or taken < seconds / _MOST_BETWEEN):
        yield f"nobody looked: {taken} samples in {seconds:.0f} s"


def never_past_the_unfinished(book: Book) -> Iterator[str]:
    """I6: at each sample, the committed offset of a partition is at most that of its lowest unfinished input.

    An input is finished once all its outcomes stood on their topics; a commit is read before the ends of those topics.
    """
    timeline = Timeline(book.evidence.samples)
    finished = {event_id: timeline.finished(asked) for event_id, asked in book.events.items()}
    for partition, inputs in book.by_partition.items():
        offsets = [offset for offset, _, _ in inputs]
        # The prefix of a partition is finished when the last of its inputs to be finished is.
        prefix = list(accumulate((finished[asked.event_id] for _, _, asked in inputs), max))
        for number, sample in enumerate(timeline.snapshots):
            passed = bisect_left(offsets, sample.committed.get(partition, 0))
            if passed and prefix[passed - 1] > number:
                _, given, asked = inputs[bisect_right(prefix, number)]
                told = f"the commit at {partition[0]}/{partition[1]} was {sample.committed[partition]}"
                yield f"sample {number + 1}: {told}, and event {asked.event_id} at {where(given.place)} was unfinished"
