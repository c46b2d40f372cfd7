"""The operations: what can be asked of one input."""

from enum import StrEnum


class Operation(StrEnum):
    """One kind of question that is asked of a model about one input."""

    ASSIGN_CODES = "assign_codes"
    SUMMARIZE = "summarize"
    SUMMARIZE_AGGREGATE = "summarize_aggregate"
    ANALYZE = "analyze"
    DETECT_SENSITIVE = "detect_sensitive"
    JUDGE = "judge"


class RecordOperation(StrEnum):
    """The operations that a single feedback record can ask for."""

    ASSIGN_CODES = "assign_codes"
    SUMMARIZE = "summarize"
    DETECT_SENSITIVE = "detect_sensitive"
