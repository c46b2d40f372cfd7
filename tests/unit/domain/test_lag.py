"""How far behind, from offsets."""

from datetime import timedelta

from domain.lag import GroupLag, PartitionLag
from tests.builders import NOON


def test_the_lag_of_a_partition():
    for committed, first, end, lag, lost in [
        (5, 0, 9, 4, 0),
        (9, 0, 9, 0, 0),
        (None, 3, 9, 6, 0),
        (3, 5, 9, 4, 2),
        (9, 9, 9, 0, 0),
        (2, 9, 9, 0, 7),
        (12, 1, 9, 8, 0),
    ]:
        found = PartitionLag("t", 0, committed, first, end)
        assert (found.lag, found.deleted_unread) == (lag, lost), found
    assert PartitionLag("t", 0, 12, 1, 9).beyond_the_end


def test_the_lag_of_a_group():
    later = NOON + timedelta(seconds=1)
    group = GroupLag(
        "g",
        0,
        (PartitionLag("t", 0, 1, 2, 5, later), PartitionLag("t", 1, 0, 0, 0), PartitionLag("u", 0, 0, 0, 1, NOON)),
    )
    assert (group.lag, group.deleted_unread, group.oldest_at) == (4, 1, NOON)
