"""Header names that are not UTF-8, which Kafka takes and aiokafka does not.

aiokafka (0.14) decodes header names strictly while it parses a batch. One record of another client with other bytes in
a name would stop every reader of its partition with a UnicodeDecodeError, again after each restart. Here such a batch
is read once more, from the record at fault on, by aiokafka's parser in Python, and the bytes that are no UTF-8 stand in
the name as `\\xe9`. Every other batch goes the fast way that it always went.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_FIRST_WITH_HEADERS = 2


def take_any_header_names() -> None:
    """Let all consumers of this process, Faust's included, read them. It may be called again."""
    fetcher.MemoryRecords, fetcher.PartitionRecords = FetchedRecords, PartitionRecords


class FetchedRecords(fetcher.MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """The batches of one answer of the broker, as aiokafka reads them (compiled, where it is).

    Attributes:
        raw: their bytes.
        taken: how many batches were taken.
    """

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw, self.taken = raw, 0

    def next_batch(self) -> Any:
        """The next batch."""
        self.taken += 1
        return super().next_batch()


class PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # as above
    """The records of one partition out of one answer."""

    _records: Any

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except (UnicodeDecodeError, CorruptRecordException) as error:
            # The parser in Python wraps it.
            if not isinstance(error.__cause__ or error, UnicodeDecodeError):
                raise
        else:
            return
        # What was handed out already is skipped by its offset, as after a fetch from the middle of a batch.
        self._records = _TolerantRecords(self._records.raw, self._records.taken - 1)
        yield from super()._unpack_records()


class _TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # as above
    """The batches after the first `skipped` ones."""

    def __init__(self, raw: bytes, skipped: int) -> None:
        super().__init__(raw)
        for _ in range(skipped):
            super().next_batch()

    def next_batch(self) -> Any:
        piece = self._next_slice
        batch = super().next_batch()
        return _TolerantBatch(piece) if piece[self.MAGIC_OFFSET] >= _FIRST_WITH_HEADERS else batch


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # as above
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Buffer(self._buffer)


class _Buffer(bytearray):
    """A batch, of which the parser cuts pieces, and decodes those that are header names."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Piece(found) if isinstance(at, slice) else found


class _Piece(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)
