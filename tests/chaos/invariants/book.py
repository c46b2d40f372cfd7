"""Evidence put in order once, so that each rule looks up what it needs: who asked for what, and what came of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from schemas.cloudevents import deterministic_id
from tests.chaos.evidence import Evidence, Input, Letter, Partition, Place, Result


@dataclass(slots=True)
class Asked:
    """One event: all inputs with its id, which share one outcome for each operation."""

    event_id: str
    inputs: list[Input] = field(default_factory=list)
    operations: dict[str, list[Result]] = field(default_factory=dict)
    """For each operation that was asked for: its results; the parts of one request have the same."""
    letters: dict[str, list[Letter]] = field(default_factory=dict)
    """Dead letters by operation; "" for those of the whole input."""

    @property
    def owed(self) -> bool:
        """Whether somebody is to answer it."""
        return any(not given.skipped for given in self.inputs)

    @property
    def answered_as(self) -> str:
        """What the ids of its results derive from: the event's id, or what the parts of one request share."""
        return self.inputs[0].answered_as

    @property
    def replayed(self) -> bool:
        """Whether it was sent again by a replay."""
        return any(given.replayed for given in self.inputs)

    @property
    def unanswered(self) -> list[str]:
        """Operations with neither a result nor a dead letter; [""] for an input without operations."""
        if not self.owed or self.letters.get(""):
            return []
        missing = [name for name, results in self.operations.items() if not results and not self.letters.get(name)]
        return missing if self.operations else [""]

    @property
    def unkept(self) -> list[str]:
        """Operations without a result that a replay was to bring: its dead letter stands from the time before."""
        if not self.replayed:
            return []
        promised = {
            name for given in self.inputs if not given.skipped and not given.reason for name in given.operations
        }
        return [name for name in self.operations if name in promised and not self.operations[name]]

    def alternatives(self) -> Iterator[list[Result | Letter]]:
        """For each operation the messages of which any one is an outcome of it."""
        whole: list[Result | Letter] = list(self.letters.get("", ()))
        for name in self.operations or ("",):
            yield [*self.operations.get(name, ()), *(self.letters.get(name, ()) if name else ()), *whole]

    def messages(self) -> Iterator[Result | Letter]:
        """All outcomes, repeats among them."""
        for results in self.operations.values():
            yield from results
        for letters in self.letters.values():
            yield from letters


class Book:
    """Evidence by event.

    Attributes:
        evidence: as it was observed.
        events: what was asked for, by event id.
        strays, stray_letters: outcomes whose ids derive from nothing that was asked for.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.events: dict[str, Asked] = {}
        self.strays: list[Result] = []
        self.stray_letters: list[Letter] = []
        self._results: dict[str, list[Result]] = {}
        self._at: dict[Place, Asked] = {}
        self._enter_inputs()
        self._enter_outcomes()

    def _enter_inputs(self) -> None:
        for given in self.evidence.inputs:
            asked = self.events.setdefault(given.event_id, Asked(given.event_id))
            asked.inputs.append(given)
            self._at[given.place] = asked
            for name in given.operations:
                if name not in asked.operations:
                    result_id = str(deterministic_id(given.answered_as, name))
                    asked.operations[name] = self._results.setdefault(result_id, [])

    def _enter_outcomes(self) -> None:
        for result in self.evidence.messages:
            self._results.get(result.result_id, self.strays).append(result)
        for letter in self.letters:
            owner, name = self._owner(letter)
            if owner is None:
                self.stray_letters.append(letter)
            else:
                owner.letters.setdefault(name, []).append(letter)

    def _owner(self, letter: Letter) -> tuple[Asked | None, str]:
        """Whose a dead letter is by its id: nearly always of the input that it names as its source."""
        at = self._at.get(letter.source)
        if at is not None:
            for name in ("", *at.operations):
                if letter.dead_letter_id == letter_id(at.event_id, name):
                    return at, name
        return self._letter_ids.get(letter.dead_letter_id, (None, ""))

    @cached_property
    def _letter_ids(self) -> dict[str, tuple[Asked | None, str]]:
        """Every dead letter that there can be: reckoned only where one names another source than it should."""
        return {
            letter_id(asked.event_id, name): (asked, name)
            for asked in self.events.values()
            for name in ("", *asked.operations)
        }

    @cached_property
    def letters(self) -> Sequence[Letter]:
        """Dead letters of the workers; those of `llm.calls` are the consumer's."""
        other = {letter.place for letter in self.evidence.letters_of_calls}
        return [letter for letter in self.evidence.letters if letter.place not in other]

    @cached_property
    def operations_per_input(self) -> int:
        """The most that one input asks for; 1 at least."""
        return max((len(asked.operations) for asked in self.events.values()), default=1) or 1

    @cached_property
    def calls_per_input(self) -> int:
        """The most LLM calls that may be under way for one input; 1 at least."""
        counts = (each.calls_at_once * len(asked.operations) for asked in self.events.values() for each in asked.inputs)
        return max(counts, default=1) or 1

    @cached_property
    def by_partition(self) -> dict[Partition, list[tuple[int, Input, Asked]]]:
        """The inputs of each partition that somebody is to answer, in the order of their offsets."""
        found = defaultdict(list)
        for asked in self.events.values():
            for given in asked.inputs:
                if not given.skipped:
                    found[given.place[:2]].append((given.place[2], given, asked))
        return {partition: sorted(inputs, key=lambda entry: entry[0]) for partition, inputs in found.items()}


def letter_id(event_id: str, operation: str) -> str:
    """The id of an operation's dead letter; "" for that of the whole input."""
    return str(deterministic_id(event_id, "dead_letter", operation))


def where(place: Place) -> str:
    """A place, for people."""
    topic, partition, offset = place
    return f"{topic}/{partition}@{offset}"


def places(of: Iterable[Input]) -> str:
    """Where an event was published, for people."""
    return ", ".join(where(given.place) for given in of)
