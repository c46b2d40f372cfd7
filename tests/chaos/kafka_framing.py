"""Kafka's frames, as far as it takes to find the answer to a produce request. Plaintext listeners only.

Source: the Apache Kafka protocol guide. Request: size, api key, version, correlation id, ...; response: size,
correlation id, ... Answers are read with aiokafka's own schemas.
"""

import struct
from collections.abc import Callable

from aiokafka.protocol import produce

from tests.chaos.relay import Filter, Passed

_PRODUCE = 0
_REQUEST_HEADER = struct.Struct(">hhi")  # api key, version, correlation id
_INT = struct.Struct(">i")
_ANSWERS = {
    answer.API_VERSION: answer
    for name, answer in vars(produce).items()
    if name.startswith("ProduceResponse_v")  # 0 to 8: what aiokafka speaks
}


class Frames:
    """Puts a stream's frames together, however TCP split or joined them."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now, each with its size in front."""
        self._waiting += data
        whole: list[bytes] = []
        while len(self._waiting) >= _INT.size:
            end = _INT.size + _INT.unpack_from(self._waiting)[0]
            assert end >= 2 * _INT.size, "this is not Kafka's protocol in the clear"
            if len(self._waiting) < end:
                break
            whole.append(bytes(self._waiting[:end]))
            del self._waiting[:end]
        return whole


def written_topics(version: int, answer: bytes) -> frozenset[str]:
    """The topics that a produce answer (a frame) speaks of; none if any record of it was refused.

    Raises:
        AssertionError: a version that aiokafka does not speak.
    """
    assert version in _ANSWERS, f"the proxy cannot read produce answers of version {version}"
    topics = _ANSWERS[version].decode(answer[2 * _INT.size :]).topics
    if any(partition[1] for _, partitions in topics for partition in partitions):  # an error code
        return frozenset()
    return frozenset(topic for topic, _ in topics)


class KafkaFilter(Filter):
    """Loses the answer to a produce request that the broker fulfilled, where `wanted(its topics)`."""

    def __init__(self, wanted: Callable[[frozenset[str]], bool]) -> None:
        self._wanted = wanted
        self._requests = Frames()
        self._answers = Frames()
        self._produce_versions: dict[int, int] = {}  # by correlation id

    def from_client(self, data: bytes) -> bytes:
        """Whole frames; each produce request is remembered until it is answered."""
        frames = self._requests.feed(data)
        for frame in frames:
            api_key, version, correlation = _REQUEST_HEADER.unpack_from(frame, _INT.size)
            if api_key == _PRODUCE:
                self._produce_versions[correlation] = version
        return b"".join(frames)

    def from_server(self, data: bytes) -> Passed:
        """Whole frames, up to the one that is lost."""
        passing: list[bytes] = []
        for frame in self._answers.feed(data):
            version = self._produce_versions.pop(_INT.unpack_from(frame, _INT.size)[0], None)
            if version is not None and self._wanted(written_topics(version, frame)):
                return Passed(b"".join(passing), lost=True)
            passing.append(frame)
        return Passed(b"".join(passing))
