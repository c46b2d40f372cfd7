"""From the bytes of a message to the event that they hold, or to the reason why they hold none."""

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.delivery.messages import InboundMessage
from domain.delivery.request_kinds import INSTRUCTION, is_meant
from domain.errors import (
    BlankContentError,
    EmptyPayloadError,
    InputError,
    NotJSONError,
    TooLargeError,
    UnknownVersionError,
    WrongSchemaError,
)
from domain.wording import problems_of
from schemas.base import SUPPORTED_SCHEMA_VERSION, Event, Identifier
from schemas.records import MAX_CONTENT_CHARACTERS, FeedbackRecordSubmitted
from schemas.requests import AnalysisRequested, SummaryRequested
from schemas.topics import RECORDS, REQUESTS

E = TypeVar("E", bound=Event)
InputEvent = FeedbackRecordSubmitted | AnalysisRequested | SummaryRequested

_UTF8_BOM = b"\xef\xbb\xbf"
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)


@dataclass(frozen=True, slots=True)
class InputIds:
    """Whose an input is and what it is about: each as the payload has it, None where it has none that can be one."""

    tenant_id: str | None = None
    record_id: str | None = None
    request_id: str | None = None


def decode(message: InboundMessage) -> InputEvent:
    """The event in a message from an input topic.

    On `feedback.requests` a known `ce_type` header says which event it is; without one, an `instruction` makes it an
    analysis, and a misspelt one is no summary. The message's key is not compared with the payload: the payload rules.

    Raises:
        InputError: there is none; the subclass has the reason, the message no word of the input.
        ValueError: nobody decodes this topic here.
    """
    if message.topic == RECORDS.name:
        return read_event(message.value, FeedbackRecordSubmitted)
    if message.topic != REQUESTS.name:
        raise ValueError(f"not an input topic: {message.topic}")
    payload = read_object(message.value)
    return validate(payload, _declared(message) or _told_by_its_fields(payload))


def _declared(message: InboundMessage) -> type[AnalysisRequested | SummaryRequested] | None:
    declared = next((value for name, value in message.headers if name == "ce_type"), None)
    return next((kind for kind in (AnalysisRequested, SummaryRequested) if kind.ce_type.encode() == declared), None)


def _told_by_its_fields(payload: dict[str, Any]) -> type[AnalysisRequested | SummaryRequested]:
    """What a request is that does not say so.

    Raises:
        UnknownVersionError, WrongSchemaError: as `validate`.
        WrongSchemaError: a field's name is nearly that of the one that tells, or another word for it: a question is not
            answered with themes.
    """
    if INSTRUCTION in payload:
        return AnalysisRequested
    known = SummaryRequested.model_fields
    if is_meant(name for name in payload if name not in known):
        _check_version(payload)
        raise WrongSchemaError(
            f"The request has no `{INSTRUCTION}`, but a field that was probably meant to be it: "
            f"name it `{INSTRUCTION}`, or say what is asked for in the header ce_type."
        )
    return SummaryRequested


def read_event(value: bytes | None, model: type[E]) -> E:
    """The event of one kind in a message's value.

    Raises:
        InputError: there is none; the subclass has the reason, the message no word of the input.
    """
    return validate(read_object(value), model)


def read_object(value: bytes | None) -> dict[str, Any]:
    """The JSON object in a message's value. A byte order mark is skipped; of duplicate names the last counts.

    Raises:
        EmptyPayloadError: there is nothing.
        NotJSONError: there is something else, or it is nested deeper than about 200 levels.
    """
    body = (value or b"").removeprefix(_UTF8_BOM)
    if not body.strip():
        raise EmptyPayloadError("The message has no value." if value is None else "The message's value is empty.")
    problem = "The value is not JSON in UTF-8, or null."
    try:
        payload = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        payload = None
        if "recursion limit" in str(error):
            problem = "The value is JSON that is nested too deeply."
    if payload is None:  # outside of the except clause: the parser's own error may quote the input
        raise NotJSONError(problem)
    if not isinstance(payload, dict):
        raise NotJSONError("The value is JSON, but not an object.")
    return payload


def validate(payload: dict[str, Any], model: type[E]) -> E:
    """The payload as an event of one kind.

    Raises:
        UnknownVersionError: its schema version is another; nothing else of it is looked at.
        WrongSchemaError, BlankContentError, TooLargeError: it is no such event.
    """
    _check_version(payload)
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        problem = _problem(error, model)
    raise problem  # outside of the except clause: pydantic's own error quotes the input


def _check_version(payload: dict[str, Any]) -> None:
    version = payload.get("schema_version", SUPPORTED_SCHEMA_VERSION)
    if isinstance(version, bool) or not isinstance(version, int | float) or version != version // 1:
        raise WrongSchemaError("schema_version is not an integer.")
    if version != SUPPORTED_SCHEMA_VERSION:
        raise UnknownVersionError(f"The schema_version is not {SUPPORTED_SCHEMA_VERSION}, the one this release knows.")


def ids_in(value: bytes | None) -> InputIds:
    """The ids in a message's value, where they can be told: of an event, and of what is no valid one."""
    try:
        payload = read_object(value)
    except InputError:
        return InputIds()
    return InputIds(*(_identifier(payload.get(name)) for name in ("tenant_id", "record_id", "request_id")))


def _identifier(value: object) -> str | None:
    try:
        return _IDENTIFIER.validate_python(value)
    except ValidationError:
        return None


def _problem(error: ValidationError, model: type[Event]) -> InputError:
    for problem in error.errors(include_url=False, include_input=False):
        if problem["loc"][-1:] == ("content",):
            if problem["type"] == "string_too_long":
                return TooLargeError(f"The content has more than {MAX_CONTENT_CHARACTERS} characters.")
            if problem["type"] in ("string_too_short", "value_error"):
                return BlankContentError("The content is empty or holds only white space.")
    return WrongSchemaError(f"Not a valid {model.__name__}: {problems_of(error, known=_field_names(model))}.")


@cache
def _field_names(model: type[Event]) -> frozenset[str]:
    """The names of all fields of an event and its parts."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", ()))
