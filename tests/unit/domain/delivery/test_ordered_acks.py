"""Acknowledgements never pass an unfinished input, whatever finishes first."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.delivery.ordered_acks import OrderedAcks


def test_offsets_are_released_as_the_finished_prefix_grows():
    acks = OrderedAcks[int]()
    for offset in (5, 6, 9):  # offsets may have gaps, as in compacted topics
        assert acks.track(1, 0, offset)

    assert acks.done(1, 0, 9) == []
    assert acks.done(1, 0, 6) == []
    assert len(acks) == 3
    assert acks.done(1, 0, 5) == [5, 6, 9]
    assert len(acks) == 0


def test_partitions_do_not_wait_for_each_other():
    acks = OrderedAcks[tuple[str, int]]()
    acks.track(1, ("a", 0), 1)
    acks.track(1, ("b", 0), 1)
    assert acks.done(1, ("b", 0), 1) == [1]


def test_what_was_read_before_a_revocation_is_never_released():
    acks = OrderedAcks[int]()
    acks.track(1, 0, 7)
    acks.forget(0)
    assert acks.done(1, 0, 7) == []
    assert acks.track(2, 0, 7)
    assert acks.done(1, 0, 7) == [], "the copy of the older generation does not count"
    assert acks.done(2, 0, 7) == [7]


def test_stragglers_and_repeats_are_not_handled():
    acks = OrderedAcks[int]()
    acks.track(2, 0, 7)
    assert not acks.track(1, 0, 8)
    assert not acks.track(2, 0, 7)
    assert acks.done(2, 0, 7) == [7]
    assert not acks.track(2, 0, 6)
    assert acks.done(2, 0, 7) == acks.done(2, 0, 6) == acks.done(2, 0, 99) == acks.done(2, 5, 7) == []


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
@settings(max_examples=300)
def test_any_order_of_finishing_releases_each_once_in_order(order, unfinished):
    acks = OrderedAcks[int]()
    for offset in range(12):
        acks.track(1, 0, offset)

    released = [offset for done in order if done not in unfinished for offset in acks.done(1, 0, done)]

    assert released == list(range(min(unfinished, default=12)))


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.lists(st.sets(st.integers(0, 11)), max_size=3))
@settings(max_examples=300)
def test_inputs_that_share_an_outcome_are_released_together_or_not_at_all(order, unfinished, groups):
    acks, reach = OrderedAcks[int](), {}
    groups = [group - set().union(*groups[:number]) for number, group in enumerate(groups)]
    for offset in range(12):
        acks.track(1, 0, offset)
    for group in groups:
        reach |= dict.fromkeys(group, max(group, default=0))

    released = []
    for done in order:
        if done not in unfinished:
            freed = acks.done(1, 0, done, reach.get(done))
            released += freed
            assert all(group <= set(released) or group.isdisjoint(released) for group in groups)

    prefix = min(unfinished, default=12)
    allowed = [n for n in range(prefix + 1) if not any(min(group) < n <= max(group) for group in groups if group)]
    assert released == list(range(allowed[-1]))
    assert len(acks) == 12 - len(released)


class Worker(RuleBasedStateMachine):
    """Reads, finishes and loses partitions at random; compares with a plain list of what happened."""

    def __init__(self):
        super().__init__()
        self.acks = OrderedAcks[int]()
        self.generation = {0: 1, 1: 1}
        self.next_offset = {0: 0, 1: 0}
        self.committed = {0: 0, 1: 0}
        self.read: list[tuple[int, int, int]] = []
        self.finished: set[tuple[int, int, int]] = set()

    @rule(partition=st.integers(0, 1), gap=st.integers(0, 2))
    def read_one(self, partition, gap):
        offset = self.next_offset[partition] + gap
        self.next_offset[partition] = offset + 1
        assert self.acks.track(self.generation[partition], partition, offset)
        self.read.append((self.generation[partition], partition, offset))

    @precondition(lambda self: set(self.read) - self.finished)
    @rule(data=st.data())
    def finish_one(self, data):
        done = data.draw(st.sampled_from(sorted(set(self.read) - self.finished)))
        self.finished.add(done)
        generation, partition, _ = done
        released = self.acks.done(*done)
        if generation != self.generation[partition]:
            assert released == []
            return
        mine = [offset for g, p, offset in self.read if (g, p) == (generation, partition)]
        due = []
        for offset in mine:
            if (generation, partition, offset) not in self.finished:
                break
            due.append(offset)
        assert released == [offset for offset in due if offset >= self.committed[partition]]
        if released:
            self.committed[partition] = released[-1] + 1

    @rule(partition=st.integers(0, 1))
    def lose_and_get_back(self, partition):
        """Reading begins again behind what was committed."""
        self.acks.forget(partition)
        self.generation[partition] += 1
        self.next_offset[partition] = self.committed[partition]

    @invariant()
    def nothing_unfinished_is_passed(self):
        for generation, partition, offset in self.read:
            if generation == self.generation[partition] and (generation, partition, offset) not in self.finished:
                assert offset >= self.committed[partition]


TestWorker = Worker.TestCase
TestWorker.settings = settings(max_examples=60, stateful_step_count=30)
