"""Every reason that a dead letter may carry, with what it means: the one list, for the README and for tests."""

REASONS: dict[str, str] = {
    "empty_payload": "The message has no value, or an empty one.",
    "not_json": "The value is not a JSON object in UTF-8, or is nested too deeply.",
    "wrong_schema": "The value is a JSON object, but not the event that its topic carries, or a framework under a key "
    "that is not its own; the message says what.",
    "unknown_version": "The event's schema_version is one that this release does not know.",
    "blank_content": "The content is empty or holds only white space.",
    "too_large": "The content is over 100,000 characters, the records are more than one pass takes, the parts of "
    "requests are more than a worker holds, or the result is larger than its topic takes.",
    "not_storable": "The event is valid, but the database refuses its row: a NUL character in a text, say.",
    "unknown_framework": "The record's coding framework did not arrive within the time that a record waits for it.",
    "incomplete_request": "Parts of the request did not arrive within the time that the first one waits for them; the "
    "message names them.",
    "budget_exhausted": "The tenant has spent a budget with a hard stop (docs/budgets.md), so no model was asked; "
    "`feedback budgets` sends the input again when the pause is over.",
    "invalid_output": "The model answered, twice, with something other than what was asked.",
    "provider_refused": "The provider refused this request: its content, its size or its form.",
    "llm_error": "The provider failed in a way that another try would not mend.",
    "deadline_exceeded": "This input alone got no answer in the time allowed, while others were answered.",
    "internal_error": "A fault in this program, twice on the same input; the worker's log says where.",
}
