"""Which results are judged: a share of them, the same ones however often they are read."""

from uuid import UUID

_ALL = 2**64


def chosen(result_id: UUID, share: float) -> bool:
    """Whether a result is among the share (0 to 1) that is judged.

    A result id is a hash already (UUIDv5): its last 62 bits are as good as drawn by lot.
    """
    return (result_id.int & (_ALL // 4 - 1)) < share * (_ALL // 4)
