"""What comes out of the answering, kept in memory instead of sent to Kafka."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping

from domain.ports import OutboundMessage
from runtime.evaluation.scoring import Given
from runtime.evaluation.spending import Spending
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from schemas.results import CodesAssigned
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, LLM_CALLS

READING = "reading"
"""Stands for the operation where an input as a whole could not be answered."""
_CUT_OFF = asyncio.CancelledError.__name__


class Collected:
    """Fulfils EventPublisher. Every record goes by the number of its line, as ids may stand in a file more than once.

    Attributes:
        codings: what was answered, by line.
        failures: (line, operation) to the reason for which there is no result.
        models: the models that answered.
        prompt_versions: of each operation.
    """

    def __init__(self) -> None:
        """Nothing so far."""
        self.codings: dict[int, Given] = {}
        self.failures: dict[tuple[int, str], str] = {}
        # By whether a call was cut off, its line, and its operation; the call for several records at once has no line.
        self._spent: defaultdict[tuple[bool, int | None, str], Spending] = defaultdict(Spending)
        self.models: set[str] = set()
        self.prompt_versions: defaultdict[str, set[str]] = defaultdict(set)
        self._takers: dict[str, Callable[[bytes], None]] = {
            CODE_ASSIGNMENTS.name: self._coding,
            DEAD_LETTERS.name: self._failure,
            LLM_CALLS.name: self._call,
        }

    async def publish(self, message: OutboundMessage) -> None:
        """Take a message. What other results than codings say is not kept."""
        take = self._takers.get(message.topic)
        if take is not None and message.value is not None:
            take(message.value)

    def reasons(self, done: Container[int]) -> dict[str, Counter[str]]:
        """Failures by operation and reason, of the lines that are done."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (line, operation), reason in self.failures.items():
            if line in done:
                found[operation][reason] += 1
        return dict(found)

    def spending(self, done: Container[int]) -> tuple[Mapping[str, Spending], Spending]:
        """What the lines that are done took, by operation; and what was spent on others.

        A call for several records at once counts to those that are done, unless it was cut off with the last of them.
        """
        theirs: defaultdict[str, Spending] = defaultdict(Spending)
        others = Spending()
        for (cut_off, line, operation), spent in self._spent.items():
            if (not cut_off) if line is None else (line in done):
                theirs[operation] += spent
            else:
                others += spent
        return theirs, others

    def _coding(self, value: bytes) -> None:
        coding = CodesAssigned.model_validate_json(value)
        self.codings[int(coding.record_id)] = Given(
            paths=tuple(tuple(step.id for step in code.path) for code in coding.codes),
            confidences=tuple(code.confidence for code in coding.codes),
        )

    def _failure(self, value: bytes) -> None:
        letter = DeadLetter.model_validate_json(value)
        # Its offset is the line, also where its value could not be read.
        self.failures[letter.source.offset, letter.operation or READING] = letter.reason

    def _call(self, value: bytes) -> None:
        call = LLMCall.model_validate_json(value)
        line = None if call.record_id is None else int(call.record_id)
        self._spent[call.error_class == _CUT_OFF, line, call.operation].add(call)
        if call.model is not None:
            self.models.add(call.model)
        if call.prompt_version is not None:
            self.prompt_versions[call.operation].add(call.prompt_version)
