"""Sketches: how values are spread, in few bytes, so that the sketches of two days are the sketch of both.

A value lies in the bucket 1 + ceil(ln v / ln g) with g = 1.01 / 0.99, whose values are all within 1 % of its middle,
2 g^k / (g + 1) for k = bucket - 1 (DDSketch: Masson, Rim, Lee, VLDB 2019). What is not above zero has a bucket of its
own. A sketch is a row of records of four bytes, a bucket and a count, big-endian, in any order and as often as one
likes: sketches are merged by writing one behind the other, which PostgreSQL does with `string_agg`.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACCURACY = 0.01
_LOG_BASE = math.log((1 + ACCURACY) / (1 - ACCURACY))
_NOT_POSITIVE = -32_768
_MOST = 65_535
_RECORD = np.dtype([("bucket", ">i2"), ("count", ">u2")])


def record_sql(value: str) -> str:
    """SQL for the record of one item with this value: a `bytea`."""
    bucket = f"1 + ceil(ln(({value})::float8) / {_LOG_BASE!r})"
    return f"int2send((CASE WHEN {value} > 0 THEN {bucket} ELSE {_NOT_POSITIVE} END)::int2) || '\\x0001'::bytea"


class Sketch:
    """A sketch, read: how many items are in each bucket."""

    def __init__(self, buckets: NDArray[Any], counts: NDArray[Any]) -> None:
        """Add up the counts of each bucket; both arrays are of whole numbers, and not empty."""
        least = int(buckets.min())
        summed = np.bincount(buckets - least, weights=counts).astype(np.int64)
        filled = np.flatnonzero(summed)
        self.buckets, self.counts = filled + least, summed[filled]
        self._below = np.cumsum(self.counts)

    @classmethod
    def read(cls, packed: bytes) -> "Sketch":
        """What was written, or several of these one behind the other; not nothing."""
        records = np.frombuffer(packed, _RECORD)
        return cls(records["bucket"].astype(np.int64), records["count"])

    @classmethod
    def merged(cls, sketches: "Sequence[Sketch]") -> "Sketch":
        """The sketch of what is in any of these; one at least."""
        if len(sketches) == 1:
            return sketches[0]
        return cls(
            np.concatenate([sketch.buckets for sketch in sketches]),
            np.concatenate([sketch.counts for sketch in sketches]),
        )

    def percentile(self, percent: float, least: float, greatest: float) -> float:
        """The value below which this share of the items lies, between neighbours linearly, as percentile_cont has it.

        Args:
            percent: from 0 to 100.
            least, greatest: the exact least and greatest value; the answer lies between them.
        """
        place = percent / 100 * (int(self._below[-1]) - 1)
        below, above = self._at(math.floor(place)), self._at(math.ceil(place))
        return min(max(below + (above - below) * (place % 1), least), greatest)

    def _at(self, position: int) -> float:
        bucket = int(self.buckets[np.searchsorted(self._below, position, side="right")])
        return 0.0 if bucket == _NOT_POSITIVE else (1 - ACCURACY) * math.exp((bucket - 1) * _LOG_BASE)


def pack(sketches: Sequence[bytes | None]) -> list[bytes | None]:
    """The same sketches, each bucket once in each of them, in order; one of nothing is None.

    All at once, as a day has hundreds of them. A count above 65,535 takes several records.
    """
    lengths = [len(sketch or b"") // _RECORD.itemsize for sketch in sketches]
    records = np.frombuffer(b"".join(sketch or b"" for sketch in sketches), _RECORD)
    owners = np.repeat(np.arange(len(sketches), dtype=np.int64), lengths)
    keys, places = np.unique(owners * 65_536 + records["bucket"].astype(np.int64) + 32_768, return_inverse=True)
    counts = np.bincount(places, weights=records["count"], minlength=len(keys)).astype(np.int64)
    keys, counts = _split(keys, counts)
    packed = np.empty(len(keys), _RECORD)
    packed["bucket"], packed["count"] = keys % 65_536 - 32_768, counts
    whole = packed.tobytes()
    ends = np.searchsorted(keys // 65_536, np.arange(len(sketches)), side="right") * _RECORD.itemsize
    starts = [0, *ends][: len(ends)]
    return [whole[start:end] or None for start, end in zip(starts, ends, strict=True)]


def _split(keys: NDArray[Any], counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each count that is larger than a record holds in several."""
    parts = np.maximum((counts + _MOST - 1) // _MOST, 1)
    if int(parts.max(initial=1)) == 1:
        return keys, counts
    last = np.cumsum(parts) - 1
    spread = np.full(int(parts.sum()), _MOST, dtype=np.int64)
    spread[last] = counts - (parts - 1) * _MOST
    return np.repeat(keys, parts), spread
