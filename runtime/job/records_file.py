"""A person's own JSON Lines file as feedback records.

A line is an object with `id` and `content`, optional `metadata`, `tenant_id`, `created`, `language` and
`framework_id`; all other keys stay in the file. What a record's content is worth is not judged here: a blank one is
published like any other and becomes a dead letter, as it would from a CRM.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain.errors import UserError
from runtime.job.wording import kind_of, why_no_text
from schemas.base import MAX_IDENTIFIER_CHARACTERS, ends_in_an_offset
from schemas.operations import RecordOperation
from schemas.records import MAX_LANGUAGE_CHARACTERS

MAX_RECORD_BYTES = 1_000_000
"""Below Kafka's default limit of 1 MiB for one batch, with room for headers."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One line of the file: who it is, and the payload to publish (FeedbackRecordSubmitted as JSON values).

    Attributes:
        undated: whether the line has a `created` that cannot be read, and that is left out.
    """

    line: int
    record_id: str
    tenant_id: str
    operations: tuple[RecordOperation, ...]
    payload: dict[str, Any]
    undated: bool = False


def read_records(
    path: Path, default_tenant: str, framework_ids: dict[str, str], operations: Sequence[RecordOperation] | None
) -> list[FileRecord]:
    """Read the whole file before anything is published.

    Args:
        path: the JSON Lines file, UTF-8.
        default_tenant: the tenant of records that name none.
        framework_ids: tenant to the framework that its records are coded with.
        operations: what to ask of every record; by default assign_codes and summarize, or summarize alone where the
            record's tenant has no framework.

    Raises:
        UserError: the file cannot be read, has no record, or a line is not a record.
    """
    records = [
        _record(line, f"Line {line} of {path}", value, default_tenant, framework_ids, operations)
        for line, value in objects_in(path)
    ]
    if not records:
        raise UserError(f"{path} holds no records.", "Give a file with one JSON object per line.")
    return records


def tenants_in(path: Path, default_tenant: str) -> list[str]:
    """The tenants that the file's records name, in order of appearance.

    Raises:
        UserError: as `read_records`.
    """
    objects = objects_in(path)
    return list(
        dict.fromkeys(_text(f"Line {at} of {path}", value, "tenant_id", default_tenant) for at, value in objects)
    )


def objects_in(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The file's lines as JSON objects, each with its number, from 1; blank lines are left out.

    Raises:
        UserError: the file cannot be read, or a line is no JSON object.
    """
    first = True
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, _object(path, line, text, first=first)
                    first = False
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path and your rights to it.") from None


def _object(path: Path, line: int, text: str, *, first: bool) -> dict[str, Any]:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # a byte that was no UTF-8 was read as half a surrogate pair
        raise UserError(
            f"Line {line} of {path} is not UTF-8 text.", "Save the file as UTF-8, one JSON object per line."
        ) from None
    if size > MAX_RECORD_BYTES:
        raise UserError(
            f"Line {line} of {path} is over {MAX_RECORD_BYTES:,} bytes, more than Kafka takes.", "Shorten or split it."
        )
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if first and _looks_like_csv(text):
            raise UserError(
                f"{path} is not JSON Lines: line {line} looks like the head of a CSV table.",
                "Write each row as a JSON object on a line of its own, with `id` and `content`.",
            ) from None
        raise UserError(f"Line {line} of {path} is not JSON.", "Mend the line: one JSON object per line.") from None
    if not isinstance(value, dict):
        raise UserError(f"Line {line} of {path} is not a JSON object.", "Mend the line: one JSON object per line.")
    return value


def _looks_like_csv(text: str) -> bool:
    return not text.lstrip().startswith(("{", "[")) and any(separator in text for separator in ",;\t")


def _record(
    line: int,
    where: str,
    value: dict[str, Any],
    default_tenant: str,
    framework_ids: dict[str, str],
    operations: Sequence[RecordOperation] | None,
) -> FileRecord:
    record_id = _text(where, value, "id", None)
    tenant_id = _text(where, value, "tenant_id", default_tenant)
    content = value.get("content")
    if not isinstance(content, str):
        why = f"it is {kind_of(content)}" if "content" in value else "it is missing"
        raise UserError(f"{where} has no text under `content`: {why}.", "Give each record an `id` and a `content`.")
    framework_id = framework_ids.get(tenant_id)
    if value.get("framework_id"):
        framework_id = _text(where, value, "framework_id", None)
    asked = tuple(operations or _default_operations(framework_id))
    payload: dict[str, Any] = {
        "schema_version": 1,
        "tenant_id": tenant_id,
        "record_id": record_id,
        "content": content,
        "operations": [operation.value for operation in asked],
    }
    created = value.get("created")
    created_at = _moment(created)
    optional = {
        "framework_id": framework_id,
        "created_at": created_at,
        "language": _language(where, value),
        "metadata": _metadata(where, value),
    }
    payload.update({name: found for name, found in optional.items() if found is not None})
    undated = created_at is None and created not in (None, "")
    return FileRecord(line, record_id, tenant_id, asked, payload, undated)


def _default_operations(framework_id: str | None) -> tuple[RecordOperation, ...]:
    if framework_id is None:
        return (RecordOperation.SUMMARIZE,)
    return (RecordOperation.ASSIGN_CODES, RecordOperation.SUMMARIZE)


def _text(where: str, value: dict[str, Any], name: str, default: str | None) -> str:
    found = value.get(name, default)
    if found is None and default is not None:
        found = default
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    why = why_no_text(found, MAX_IDENTIFIER_CHARACTERS) if name in value or default is not None else "it is missing"
    if why is not None:
        raise UserError(
            f"{where} has no usable `{name}`: {why}.",
            f"Give `{name}` as text of 1 to {MAX_IDENTIFIER_CHARACTERS} characters.",
        )
    return str(found)


def _language(where: str, value: dict[str, Any]) -> str | None:
    found = value.get("language")
    if found is None or found == "":
        return None
    why = why_no_text(found, MAX_LANGUAGE_CHARACTERS)
    if why is not None:
        raise UserError(
            f"{where} has no usable `language`: {why}.",
            f"Give a tag such as `fr` or `pt-BR`, at most {MAX_LANGUAGE_CHARACTERS} characters, or leave it out.",
        )
    return str(found)


def _metadata(where: str, value: dict[str, Any]) -> dict[str, Any] | None:
    found = value.get("metadata")
    if found is not None and not isinstance(found, dict):
        raise UserError(
            f"{where} has no usable `metadata`: it is {kind_of(found)}.", "Give it as an object, or leave it out."
        )
    return found


def _moment(created: object) -> str | None:
    """A date or time as RFC 3339 with an offset (UTC where it names none); None for what is neither."""
    if not isinstance(created, str):
        return None
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elif not ends_in_an_offset(created):  # +00:60 for one: who wrote that made a mistake
        return None
    return moment.isoformat()
