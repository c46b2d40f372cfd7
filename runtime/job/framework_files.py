"""A person's own coding framework as JSON: with or without the fields that only the event needs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from domain.errors import UserError
from runtime.job.wording import problems_of
from schemas.base import MAX_IDENTIFIER_CHARACTERS
from schemas.frameworks import CodingFramework

_HASH_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class GivenFrameworks:
    """The frameworks to publish.

    Attributes:
        frameworks: at most one per tenant.
        published_ids: (tenant, name of the file) to framework_id, where the file names no framework_id. On a shared
            Kafka a file's name says too little: two jobs, each with a `framework.json` of its own, would replace each
            other's. So what is published under it has the name and a hash of the content.
    """

    frameworks: list[CodingFramework]
    published_ids: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def named(self) -> list[CodingFramework]:
        """Those whose file names their framework_id."""
        ours = {(tenant, framework_id) for (tenant, _), framework_id in self.published_ids.items()}
        return [one for one in self.frameworks if (one.tenant_id, one.framework_id) not in ours]


def read_frameworks(paths: Sequence[Path], tenants: Sequence[str]) -> GivenFrameworks:
    """The frameworks to publish: a file that names no tenant counts for every tenant.

    Raises:
        UserError: a file cannot be read, is no coding framework, or two files serve one tenant.
    """
    frameworks: dict[str, CodingFramework] = {}
    published_ids: dict[tuple[str, str], str] = {}
    for path in paths:
        found, name = _read(path, tenants)
        for framework in found:
            if framework.tenant_id in frameworks:
                raise UserError(
                    f"Two frameworks are given for the tenant {framework.tenant_id}.", "Give one framework per tenant."
                )
            frameworks[framework.tenant_id] = framework
            if name is not None:
                published_ids[framework.tenant_id, name] = framework.framework_id
    return GivenFrameworks(list(frameworks.values()), published_ids)


def _read(path: Path, tenants: Sequence[str]) -> tuple[list[CodingFramework], str | None]:
    """A file's framework, once for each tenant; and the file's name where it names no framework_id."""
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
    content = hashlib.sha256(raw).hexdigest()
    name = path.stem[: MAX_IDENTIFIER_CHARACTERS - _HASH_CHARACTERS - 1]
    defaults = {"framework_id": f"{name}-{content[:_HASH_CHARACTERS]}", "version": content[:12]}
    owners = list(tenants) if value.get("tenant_id") is None else [value["tenant_id"]]
    try:
        found = [CodingFramework.model_validate({**defaults, **value, "tenant_id": owner}) for owner in owners]
    except ValidationError as error:
        raise UserError(
            f"{path} is not a coding framework: {problems_of(error)}.",
            "It needs root_codes, a list of codes, each with an id of its own, name and children.",
        ) from None
    return found, None if "framework_id" in value else name
