"""How far codings and the analysts who corrected them agree.

A record is judged when a correction of it lies in the window [from, to), by `corrected_at`; of several the latest
counts. It is held against the coding that it names by `result_id`, and against that one alone; a correction that names
none, against the latest coding of the record with that framework that was complete by then (`completed_at`). A record
without such a coding is not judged.

For one code the n judged records fall into four cells: both gave it (`agreed`), only the coding (`assigned` less
`agreed`), only the analyst (`corrected` less `agreed`), neither. Where one version of a framework has a code and
another has not, the records coded with the other count as neither: ask for one `framework_version` to leave them out.

precision      agreed / assigned: how much of what was assigned is right
recall         agreed / corrected: how much of what is right was assigned
kappa          (po - pe) / (1 - pe), po being the share of records on which both agree (both gave the code, or neither),
               pe the share on which they would by chance, each keeping its own frequency: (assigned * corrected +
               (n - assigned) * (n - corrected)) / n**2. From -1 to 1; 0 is chance. Source: J. Cohen, "A coefficient of
               agreement for nominal scales", Educational and Psychological Measurement 20 (1960), 37-46.

A code is an id that a coding or a correction gives. Whether the framework has it cannot be known here: the store has
codings and corrections and no frameworks, and a code that no coding ever gave may be right all the same, which is what
recall is for. So an id that is in no framework, misspelt say, is a code with `assigned` 0, on which nobody can agree.

A quotient whose divisor is 0 is null: of a code never assigned there is no precision, of one that both gave to all
records no kappa.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from domain.keys import NOBODY, Asker
from domain.usage.report import Window


@dataclass(frozen=True, slots=True)
class AgreementQuestion:
    """What is asked: one framework of one tenant, in one window.

    Attributes:
        framework_version: only records coded with this version; None: with any.
    """

    tenant_id: str
    framework_id: str
    window: Window
    framework_version: str | None = None


@dataclass(frozen=True, slots=True)
class CodeCounts:
    """On how many judged records a code was: assigned by the coding, given by the analyst, both."""

    code_id: str
    assigned: int
    corrected: int
    agreed: int


@dataclass(frozen=True, slots=True)
class AgreementCounts:
    """What the store counts.

    Attributes:
        records: judged records.
        exact: those of them where coding and analyst gave the same codes, none at all included.
        codes: every code that was given to one of them, by either.
    """

    records: int
    exact: int
    codes: tuple[CodeCounts, ...]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class CodeAgreement(_Answer):
    """One code, over the judged records."""

    code_id: str
    n: int = Field(description="Records judged.")
    assigned: int = Field(
        description="Those of them that the coding gave the code. Of a code with 0 it cannot be told here whether the "
        "framework has it: an id that a correction misspells looks the same."
    )
    corrected: int = Field(description="Those that the analyst gave it.")
    agreed: int = Field(description="Those that both gave it.")
    precision: float | None = Field(description="`agreed` / `assigned`; null where that is 0.")
    recall: float | None = Field(description="`agreed` / `corrected`; null where that is 0.")
    kappa: float | None = Field(
        description="Cohen's kappa (1960): agreement beyond chance, from -1 to 1; null where chance agrees on all."
    )


class OverallAgreement(_Answer):
    """All codes together, over the judged records."""

    records: int = Field(description="Records judged.")
    exact_match: float | None = Field(description="Share of them with the same codes from both; null without records.")
    micro_precision: float | None = Field(description="Sum of `agreed` / sum of `assigned` over all codes.")
    micro_recall: float | None = Field(description="Sum of `agreed` / sum of `corrected` over all codes.")
    macro_kappa: float | None = Field(description="Mean of the codes' kappas, of those that have one.")


class Agreement(_Answer):
    """How far codings and corrections of one framework agree."""

    tenant_id: str
    framework_id: str
    framework_version: str | None = Field(description="The version that was asked for; null: any.")
    start: AwareDatetime = Field(alias="from", description="The first moment of corrections that count.")
    end: AwareDatetime = Field(alias="to", description="The first moment that no longer counts.")
    overall: OverallAgreement
    codes: tuple[CodeAgreement, ...] = Field(description="Every code that either gave, by its id.")


class AgreementReader(Protocol):
    """Counts judged records."""

    async def of(self, question: AgreementQuestion, asker: Asker = NOBODY) -> AgreementCounts:
        """The counts, of what the asker may see; zeros where no record is judged.

        Raises:
            TooManyQuestionsError: the asker's tenant has too many questions open.
            UsageUnavailableError: the store cannot answer now.
        """
        ...


def agreement(question: AgreementQuestion, counts: AgreementCounts) -> Agreement:
    """The answer that the counts make."""
    codes = tuple(_of_code(code, counts.records) for code in sorted(counts.codes, key=lambda code: code.code_id))
    return Agreement(
        tenant_id=question.tenant_id,
        framework_id=question.framework_id,
        framework_version=question.framework_version,
        start=question.window.start,
        end=question.window.end,
        overall=_overall(counts, codes),
        codes=codes,
    )


def kappa(n: int, assigned: int, corrected: int, agreed: int) -> float | None:
    """Cohen's kappa of one code over n records; None where chance alone agrees on all of them, or there are none.

    Multiplied out by n**2, so that nothing is rounded before the one division.
    """
    alike = n * (n - assigned - corrected + 2 * agreed)
    by_chance = assigned * corrected + (n - assigned) * (n - corrected)
    return _share(alike - by_chance, n * n - by_chance)


def _of_code(code: CodeCounts, n: int) -> CodeAgreement:
    return CodeAgreement(
        code_id=code.code_id,
        n=n,
        assigned=code.assigned,
        corrected=code.corrected,
        agreed=code.agreed,
        precision=_share(code.agreed, code.assigned),
        recall=_share(code.agreed, code.corrected),
        kappa=kappa(n, code.assigned, code.corrected, code.agreed),
    )


def _overall(counts: AgreementCounts, codes: Iterable[CodeAgreement]) -> OverallAgreement:
    given = list(codes)
    agreed = sum(code.agreed for code in given)
    kappas = [code.kappa for code in given if code.kappa is not None]
    return OverallAgreement(
        records=counts.records,
        exact_match=_share(counts.exact, counts.records),
        micro_precision=_share(agreed, sum(code.assigned for code in given)),
        micro_recall=_share(agreed, sum(code.corrected for code in given)),
        macro_kappa=sum(kappas) / len(kappas) if kappas else None,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
