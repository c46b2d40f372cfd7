"""A coding framework: the organisation's own tree of codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.base import Event, Frozen, Identifier, shown, without_nul

MAX_DEPTH = 16

CodeId = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(without_nul)]
"""A code's id. Longer than other ids: organisations build it from the whole path."""


class Code(Frozen):
    """One node of a coding framework, with the codes below it."""

    id: CodeId = Field(description="The code's id, unique within the framework.")
    name: str = Field(min_length=1, max_length=1000, description="What analysts call the code.")
    description: str | None = Field(default=None, max_length=10_000, description="What belongs under the code.")
    examples: tuple[str, ...] = Field(default=(), description="Feedback that belongs under the code.")
    sensitive: bool = Field(default=False, description="Whether feedback under the code needs protection.")
    children: tuple[Code, ...] = Field(default=(), description="The codes below this one; empty for a leaf.")


class CodingFramework(Event):
    """A tenant's tree of codes, at one version. Key on its topic: `tenant_id/framework_id`; null withdraws it."""

    ce_type: ClassVar[str] = "feedback.framework.published"

    tenant_id: Identifier = Field(description="The organisation that owns the framework.")
    framework_id: Identifier = Field(description="The framework's id, unique within the tenant.")
    version: Identifier = Field(description="Version of the framework; codings say which one they used.")
    name: str | None = Field(default=None, max_length=1000, description="What analysts call the framework.")
    root_codes: tuple[Code, ...] = Field(min_length=1, description="The top level of the tree.")

    @property
    def key(self) -> str:
        """The framework's key on its topic."""
        return framework_key(self.tenant_id, self.framework_id)

    def paths(self) -> Iterator[tuple[Code, ...]]:
        """Every code of the tree as its path from the root, parents before children."""
        stack: list[tuple[Code, ...]] = [(code,) for code in reversed(self.root_codes)]
        while stack:
            path = stack.pop()
            yield path
            stack.extend((*path, child) for child in reversed(path[-1].children))

    @model_validator(mode="after")
    def _ids_are_unique_and_depth_bounded(self) -> Self:
        seen: set[str] = set()
        for path in self.paths():
            if len(path) > MAX_DEPTH:
                raise ValueError(f"the framework is deeper than {MAX_DEPTH} levels")
            if path[-1].id in seen:
                raise ValueError(f"the id {shown(path[-1].id)}: two codes of the framework share one id")
            seen.add(path[-1].id)
        return self


def framework_key(tenant_id: str, framework_id: str) -> str:
    """The key under which a tenant's framework travels: `tenant_id/framework_id`.

    A slash or a percent sign inside an id is written as in a URL (%2F, %25): otherwise the framework `b/c` of the
    tenant `a` would be the framework `c` of the tenant `a/b`.
    """
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in (tenant_id, framework_id))
