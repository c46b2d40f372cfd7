"""What comes out of the answering, kept in memory instead of sent to Kafka."""

from collections import Counter, defaultdict
from collections.abc import Callable

from domain.ports import OutboundMessage
from runtime.evaluation.scoring import Given
from runtime.evaluation.spending import Spending
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from schemas.results import CodesAssigned
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, LLM_CALLS

READING = "reading"
"""Stands for the operation where an input as a whole could not be answered."""


class Collected:
    """Fulfils EventPublisher. Every record goes by the number of its line, as ids may stand in a file more than once.

    Attributes:
        codings: what was answered, by line.
        failures: (line, operation) to the reason for which there is no result.
        spending: by operation.
        models: the models that answered.
        prompt_versions: of each operation.
    """

    def __init__(self) -> None:
        """Nothing so far."""
        self.codings: dict[int, Given] = {}
        self.failures: dict[tuple[int, str], str] = {}
        self.spending: defaultdict[str, Spending] = defaultdict(Spending)
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

    def reasons(self) -> dict[str, Counter[str]]:
        """Failures by operation and reason."""
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (_, operation), reason in self.failures.items():
            found[operation][reason] += 1
        return dict(found)

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
        self.spending[call.operation].add(call)
        if call.model is not None:
            self.models.add(call.model)
        if call.prompt_version is not None:
            self.prompt_versions[call.operation].add(call.prompt_version)
