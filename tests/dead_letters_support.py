"""What the tests of counted dead letters share: a builder of rows."""

from typing import Any
from uuid import uuid4

from domain.ports import DeadLetterRow
from tests.usage_support import NOON


def a_dead_letter_row(**fields: Any) -> DeadLetterRow:
    """What is stored of a record that could not be read, at the noon that the tests of usage have."""
    ordinary: dict[str, Any] = {
        "dead_letter_id": uuid4(),
        "tenant_id": "red-cross",
        "operation": None,
        "reason": "wrong_schema",
        "source_topic": "feedback.records",
        "result_id": None,
        "failed_at": NOON,
    }
    return DeadLetterRow(**ordinary | fields)
