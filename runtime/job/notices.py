"""What a person should know of the files before anything is started: what they ask for that will not happen."""

from collections import Counter
from collections.abc import Iterator, Sequence

from domain.errors import UserError
from runtime.job.records_file import FileRecord
from runtime.job.wording import listed
from schemas.base import shown
from schemas.frameworks import CodingFramework
from schemas.operations import RecordOperation

_CODING = RecordOperation.ASSIGN_CODES


def refuse_codings_without_framework(records: Sequence[FileRecord], frameworks: Sequence[CodingFramework]) -> None:
    """A record that shall be coded has its tenant's framework, or names one itself.

    Raises:
        UserError: one does not.
    """
    without = [record for record in records if _CODING in record.operations and _framework_of(record) is None]
    if not without:
        return
    first = without[0]
    given = f"; frameworks are given for {_tenants_of(frameworks)} only" if frameworks else ""
    raise UserError(
        f"assign_codes is asked for, but {len(without):,} of {len(records):,} records have no coding framework "
        f"(the first stands on line {first.line}; its tenant is {shown(first.tenant_id)}{given}).",
        "Give one for that tenant with --framework, or leave assign_codes out of --operations.",
    )


def refuse_frameworks_that_never_come(records: Sequence[FileRecord], frameworks: Sequence[CodingFramework]) -> None:
    """On a Kafka of the job's own nobody else publishes a framework: each that a record names must be given.

    Raises:
        UserError: one is not.
    """
    given = {(framework.tenant_id, framework.framework_id) for framework in frameworks}
    waiting = list(_named_but_not(given, records))
    if not waiting:
        return
    names = list(dict.fromkeys(map(str, map(_framework_of, waiting))))
    raise UserError(
        f"{len(waiting):,} of {len(records):,} records name a framework that no --framework file of their tenant has "
        f"(the first stands on line {waiting[0].line}): {listed(names)}.",
        "Give it with --framework (its framework_id, else the file's name, and its tenant_id count), or ask for "
        "--operations summarize.",
    )


def notices(records: Sequence[FileRecord], frameworks: Sequence[CodingFramework], *, may_code: bool) -> list[str]:
    """One line for each thing that a person may not expect.

    Args:
        records: all of the job.
        frameworks: those that the job publishes.
        may_code: whether codings were left open or asked for; False: other operations were asked for by name.
    """
    found = [_repeated_ids(records), _undated(records)]
    if may_code and frameworks:
        found.append(_not_coded(records, frameworks) or _unused(records, frameworks))
    return [notice for notice in found if notice]


def what_it_replaces(kafka: str, named: Sequence[CodingFramework]) -> str:
    """What a run does to everybody on a Kafka that is given; empty where it does nothing.

    Args:
        kafka: its address.
        named: the frameworks whose file names their framework_id: others may use that id too.
    """
    if not named:
        return ""
    keys = listed([framework.key for framework in named])
    return (
        f"KAFKA_BOOTSTRAP_SERVERS is set: this run publishes {keys} (tenant_id/framework_id) on the Kafka at {kafka} "
        "and replaces what stands there under the same key, for everyone. Leave framework_id out of the file for an id "
        "that nobody else has."
    )


def _repeated_ids(records: Sequence[FileRecord]) -> str:
    lines: dict[tuple[str, str], list[int]] = {}
    for record in records:
        lines.setdefault((record.tenant_id, record.record_id), []).append(record.line)
    repeated = [
        f"{shown(record_id)} (lines {listed(list(map(str, at)))})"
        for (_, record_id), at in lines.items()
        if len(at) > 1
    ]
    if not repeated:
        return ""
    ids = "1 record id stands" if len(repeated) == 1 else f"{len(repeated):,} record ids stand"
    told = ", ".join(repeated[:3]) + (", ..." if len(repeated) > 3 else "")
    return (
        f"{ids} on more than one line: {told}. Each line is answered, counted and paid for by itself. The results of "
        "such lines share the record id and differ in result_id: who keeps one result per record id loses the others."
    )


def _undated(records: Sequence[FileRecord]) -> str:
    undated = [record.line for record in records if record.undated]
    if not undated:
        return ""
    return (
        f"`created` cannot be read in {len(undated):,} of {len(records):,} records (the first stands on line "
        f"{undated[0]}), which are answered without it. Write it as 2026-01-31 or 2026-01-31T09:30:00+02:00."
    )


def _not_coded(records: Sequence[FileRecord], frameworks: Sequence[CodingFramework]) -> str:
    tenants = Counter(record.tenant_id for record in records if _framework_of(record) is None)
    if not tenants:
        return ""
    counts = listed([f"{tenant}: {count:,}" for tenant, count in tenants.most_common()])
    return (
        f"{tenants.total():,} of {len(records):,} records are summarised but not coded: no framework is given for "
        f"their tenant ({counts}), only for {_tenants_of(frameworks)}. Let tenant_id be the same in "
        "the framework and in the records (--tenant sets it for records that name none)."
    )


def _unused(records: Sequence[FileRecord], frameworks: Sequence[CodingFramework]) -> str:
    used = {(record.tenant_id, _framework_of(record)) for record in records}
    unused = [one for one in frameworks if (one.tenant_id, one.framework_id) not in used]
    if not unused:
        return ""
    told = listed([f"{one.framework_id} of the tenant {one.tenant_id}" for one in unused])
    return f"No record is coded with the framework {told}: none is of that tenant without naming another framework."


def _named_but_not(given: set[tuple[str, str]], records: Sequence[FileRecord]) -> Iterator[FileRecord]:
    for record in records:
        name = _framework_of(record)
        if _CODING in record.operations and name is not None and (record.tenant_id, name) not in given:
            yield record


def _tenants_of(frameworks: Sequence[CodingFramework]) -> str:
    return listed([framework.tenant_id for framework in frameworks])


def _framework_of(record: FileRecord) -> str | None:
    name = record.payload.get("framework_id")
    return None if name is None else str(name)
