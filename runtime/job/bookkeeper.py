"""What an event on an output topic is to a job: an entry in its ledger, or nothing."""

import contextlib
from collections.abc import Callable

from pydantic import ValidationError

from runtime.job.ledger import Ledger, Seen
from schemas.dead_letters import DeadLetter
from schemas.llm_calls import LLMCall
from schemas.operations import RecordOperation
from schemas.results import CodesAssigned, Result
from schemas.topics import CODE_ASSIGNMENTS, DEAD_LETTERS, LLM_CALLS

_OPERATIONS = frozenset(operation.value for operation in RecordOperation)
"""What records are asked for. A judge's calls bear the trace of the record, too: they come whenever the judge comes to
it, and are none of the job's."""

OnNew = Callable[[str, bytes, int | None], None]
"""Called with topic and value of each outcome of this job that is no repeat, and the line of the record that it is for
(None: it is for an LLM call)."""


class Bookkeeper:
    """Enters events into a ledger.

    Args:
        ledger: of the job.
        on_new: told of each outcome before it counts: one that it cannot keep is none.
    """

    def __init__(self, ledger: Ledger, on_new: OnNew) -> None:
        self._ledger = ledger
        self._on_new = on_new

    def enter(self, topic: str, value: bytes) -> None:
        """Enter one event; what others wrote wrongly on a shared topic is not ours to judge."""
        with contextlib.suppress(ValidationError):
            if topic == LLM_CALLS.name:
                call = LLMCall.model_validate_json(value)
                if call.operation in _OPERATIONS:
                    self._ledger.llm_call(call.call_id, call.trace_id)
            elif topic == DEAD_LETTERS.name:
                self._enter_dead_letter(DeadLetter.model_validate_json(value), value)
            else:
                self._enter_result(topic, value)

    def _enter_result(self, topic: str, value: bytes) -> None:
        result_id = Result.model_validate_json(value).result_id
        if not self._ledger.awaits_result(result_id):
            return
        coding = CodesAssigned.model_validate_json(value) if topic == CODE_ASSIGNMENTS.name else None
        self._on_new(topic, value, self._ledger.line_of(result_id))
        self._ledger.result(result_id)
        if coding is not None:
            self._ledger.coded_with(coding.tenant_id, coding.framework_id, coding.framework_version)

    def _enter_dead_letter(self, letter: DeadLetter, value: bytes) -> None:
        """A dead letter of a record; or one of an LLM call, which then will have no row.

        Only its id is looked at: the original may be missing, or damaged.
        """
        letter_id = letter.dead_letter_id
        if letter.source.topic == LLM_CALLS.name:
            if self._ledger.refused_call(letter_id) is Seen.NEW:
                self._on_new(DEAD_LETTERS.name, value, None)
        elif self._ledger.awaits_dead_letter(letter_id):
            self._on_new(DEAD_LETTERS.name, value, self._ledger.line_of(letter_id))
            self._ledger.dead_letter(letter_id)
