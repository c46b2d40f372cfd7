"""What a person says is right: read from the file for scoring alone; no model ever sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.errors import UserError
from runtime.evaluation.choosing import MISSING, field_of
from runtime.evaluation.scoring import CodeIds
from runtime.job.records_file import FileRecord
from schemas.frameworks import CodingFramework


@dataclass(frozen=True, slots=True)
class Labelled:
    """A record to evaluate.

    Attributes:
        record: as the file has it.
        right: the codes of which any is right; () = a person says that none fits; None = nothing is known.
    """

    record: FileRecord
    right: tuple[CodeIds, ...] | None = None


class Labels:
    """Reads the labels of records, and counts the records that have none that could be used.

    A label is the id of a code, or a list of ids of which any is right; null, "" or an empty list: no code fits.

    Attributes:
        unlabelled: lines without the field.
        unknown: lines of whose labels no framework has any.
        first_unknown: a label of the first of these lines.
    """

    def __init__(self, name: str, frameworks: Sequence[CodingFramework]) -> None:
        """`name` is the field, such as `metadata.codes`."""
        self._name = name
        self._paths = {
            (framework.tenant_id, framework.framework_id): {
                path[-1].id: tuple(code.id for code in path) for path in framework.paths()
            }
            for framework in frameworks
        }
        self.unlabelled: list[int] = []
        self.unknown: list[int] = []
        self.first_unknown = ""

    def read(self, record: FileRecord, line: Mapping[str, Any]) -> Labelled | None:
        """The record with its labels, or None where it cannot be scored.

        Raises:
            UserError: the field holds something else than labels.
        """
        found = field_of(line, self._name)
        if found is MISSING:
            self.unlabelled.append(record.line)
            return None
        ids = [label for label in (found if isinstance(found, list) else [found]) if label not in (None, "")]
        if not all(isinstance(label, str) for label in ids):
            raise UserError(
                f"Line {record.line} has no labels under `{self._name}`.",
                "Name the field with --label: it holds the id of a code, a list of ids, or null where no code fits.",
            )
        paths = self._paths[record.tenant_id, str(record.payload["framework_id"])]
        right = tuple(paths[label] for label in ids if label in paths)
        if ids and not right:
            self.first_unknown = self.first_unknown or ids[0]
            self.unknown.append(record.line)
            return None
        return Labelled(record, right)

    def notices(self) -> list[str]:
        """A line for each kind of records that are left out."""
        kinds = (
            (self.unlabelled, f"have nothing under `{self._name}` (--label names another field)"),
            (self.unknown, f"have a label under `{self._name}` that is no code of their framework"),
        )
        return [
            f"{len(lines):,} records {why} and are left out; the first stands on line {lines[0]}."
            for lines, why in kinds
            if lines
        ]
