"""Which requests in parts were answered lately: a part that comes again is known by it."""

from collections import OrderedDict
from dataclasses import dataclass

from domain.delivery.parts_group import Group, Key, Member, Place

_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class _Answer:
    digests: dict[int, bytes]
    places: frozenset[Place]


class Answered:
    """The latest requests with a result, each with the digests of its parts and where they stood."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Key, _Answer] = OrderedDict()

    def remember(self, group: Group) -> None:
        """All parts that are here have their result."""
        copies = [member for members in group.members.values() for member in members]
        digests = {member.number: member.digest for member in copies}
        self._answers[copies[0].key] = _Answer(digests, frozenset(member.place for member in copies))
        self._answers.move_to_end(copies[0].key)
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)

    def holds(self, member: Member) -> bool:
        """Whether a part of this content was answered, wherever it stood."""
        answer = self._answers.get(member.key)
        return answer is not None and answer.digests.get(member.number) == member.digest

    def delivered_again(self, member: Member) -> bool:
        """Whether it is the very message that was answered."""
        return self.holds(member) and member.place in self._answers[member.key].places
