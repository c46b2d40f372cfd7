"""A person's own coding framework as JSON: with or without the fields that only the event needs."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from domain.errors import UserError
from runtime.job.wording import listed, problems_of
from schemas.base import MAX_IDENTIFIER_CHARACTERS
from schemas.frameworks import CodingFramework


def read_frameworks(paths: Sequence[Path], tenants: Sequence[str]) -> list[CodingFramework]:
    """The frameworks to publish: a file that names no tenant counts for every tenant.

    Raises:
        UserError: a file cannot be read, is no coding framework, or two files serve one tenant.
    """
    frameworks: dict[str, CodingFramework] = {}
    for path in paths:
        for framework in _read(path, tenants):
            if framework.tenant_id in frameworks:
                raise UserError(
                    f"Two frameworks are given for the tenant {framework.tenant_id}.", "Give one framework per tenant."
                )
            frameworks[framework.tenant_id] = framework
    return list(frameworks.values())


def _read(path: Path, tenants: Sequence[str]) -> list[CodingFramework]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Check the path and your rights to it.") from None
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{path} is not JSON{where}.", "Give a coding framework as one JSON object.") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} is not a JSON object.", "Give a coding framework as one JSON object.")
    defaults = {"framework_id": path.stem[:MAX_IDENTIFIER_CHARACTERS], "version": hashlib.sha256(raw).hexdigest()[:12]}
    owners = list(tenants) if value.get("tenant_id") is None else [value["tenant_id"]]
    try:
        return [CodingFramework.model_validate({**defaults, **value, "tenant_id": owner}) for owner in owners]
    except ValidationError as error:
        repeated = _repeated_ids(value.get("root_codes"))
        which = f" (more than one code has the id {listed(repeated)})" if repeated else ""
        raise UserError(
            f"{path} is not a coding framework: {problems_of(error)}{which}.",
            "It needs root_codes, a list of codes, each with an id of its own, name and children.",
        ) from None


def _repeated_ids(codes: object) -> list[str]:
    """Of a tree that may be malformed; a schema's own words name no value, as they go into dead letters too."""
    counts: Counter[str] = Counter()
    open_lists = [codes]
    while open_lists:
        found = open_lists.pop()
        for code in found if isinstance(found, list) else ():
            if isinstance(code, dict):
                counts.update([code["id"]] if isinstance(code.get("id"), str) else [])
                open_lists.append(code.get("children"))
    return [code_id for code_id, count in counts.items() if count > 1]
