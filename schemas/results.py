"""What the agents found: one model per result topic's event."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from schemas.base import Confidence, Event, Frozen, Identifier, Timestamp, WholeNumber
from schemas.frameworks import CodeId
from schemas.privacy import Privacy
from schemas.requests import Period
from schemas.sensitivity import SensitiveType, SensitivityLevel
from schemas.sources import Source
from schemas.trends import OwnCodings, Trend


class Result(Event):
    """What every result carries: whose it is and how it came about."""

    result_id: UUID = Field(
        description="The same for every delivery of the same answer: keep the first, drop the rest."
    )
    tenant_id: Identifier = Field(description="The organisation that owns the input.")
    model: str = Field(description="The model that answered, as the provider named it.")
    prompt_version: str = Field(description="The version of the prompt that was used.")
    invocation_id: UUID = Field(description="The invocation that made the result: find its LLM calls by it.")
    completed_at: Timestamp = Field(description="When the answer was complete.")
    inputs: tuple[Source, ...] = Field(
        default=(), description="Where the input stands on Kafka: one message, or as many as a request has parts."
    )
    privacy: Privacy | None = Field(
        default=None, description="What was done about personal data before the model saw the input."
    )


class PathStep(Frozen):
    """One level of an assigned code, from the root down."""

    id: CodeId = Field(description="The code's id at this level.")
    name: str = Field(description="The code's name at this level.")
    confidence: Confidence = Field(description="How sure the model is of this level.")


class AssignedCode(Frozen):
    """A code that fits the record."""

    code_id: CodeId = Field(description="The id of the deepest code assigned.")
    path: tuple[PathStep, ...] = Field(min_length=1, description="From the root to the code.")
    confidence: Confidence = Field(description="The least confidence of the levels.")
    reason: str = Field(description="Why the code fits, in the model's words.")


class Narrowed(Frozen):
    """A framework too large for the model's prompt: only the codes nearest to the record were shown."""

    codes_shown: WholeNumber = Field(ge=1, description="How many codes the model saw, those above others included.")
    codes_total: WholeNumber = Field(ge=1, description="How many codes the framework has.")


class CodesAssigned(Result):
    """The codes of one record, best first; none means an abstention, with its reason."""

    ce_type: ClassVar[str] = "feedback.codes.assigned"

    record_id: Identifier = Field(description="The coded record.")
    framework_id: Identifier = Field(description="The framework that the codes belong to.")
    framework_version: Identifier = Field(description="The version of the framework that was used.")
    codes: tuple[AssignedCode, ...] = Field(description="The assigned codes, most confident first.")
    codes_left_out: WholeNumber = Field(
        default=0, ge=0, description="Further codes, less sure, that are left out, as a message would not hold them."
    )
    abstained_because: str | None = Field(default=None, description="Why no code was assigned, where none was.")
    narrowed: Narrowed | None = Field(
        default=None, description="How much of the framework the model saw, where it did not see all of it."
    )


class RecordSummarized(Result):
    """A short summary of one record."""

    ce_type: ClassVar[str] = "feedback.record.summarized"

    record_id: Identifier = Field(description="The summarised record.")
    title: str = Field(description="The record in a few words.")
    bullets: tuple[str, ...] = Field(description="Its points, in the order of their weight.")


class ExcludedChunk(Frozen):
    """Records that the answer leaves out, as nobody could read them; they do not lower its score."""

    number: WholeNumber = Field(ge=1, description="Which chunk, from 1.")
    records: WholeNumber = Field(ge=1, description="How many records it holds.")
    record_ids: tuple[Identifier, ...] = Field(
        default=(), description="Which they are; empty where there are too many to name."
    )
    reason: str = Field(description="Why, as a stable code: one of a dead letter's reasons.")


class OverMany(Result):
    """What results over many records share: how they were read, and which of them."""

    request_id: Identifier = Field(description="The request that this answers.")
    mode: Literal["single_pass", "hierarchical"] | None = Field(
        default=None, description="How the records were read: all in one prompt, or in chunks."
    )
    chunks: WholeNumber | None = Field(default=None, ge=1, description="Into how many chunks the records were cut.")
    excluded: tuple[ExcludedChunk, ...] = Field(default=(), description="Chunks that nobody could read.")
    excluded_left_out: WholeNumber = Field(
        default=0, ge=0, description="How many further such chunks are not listed, as the list would be too long."
    )
    coverage: Confidence | None = Field(
        default=None, description="The share of the given records that the answer rests on."
    )


class Theme(Frozen):
    """Something that several records speak of."""

    title: str = Field(description="The theme in a few words.")
    summary: str = Field(description="What the records say about it.")
    record_ids: tuple[Identifier, ...] = Field(
        description="The records behind the theme, so that a reader can check. Where the ids of all themes together "
        "would not fit on the topic, each record is listed under the most frequent of its themes alone."
    )
    count: WholeNumber | None = Field(
        default=None,
        ge=1,
        description="How many records are behind the theme, those listed under a more frequent one included.",
    )


class RecordsSummarized(OverMany):
    """A summary over many records. Each record that was read stands behind a theme, or under the others."""

    ce_type: ClassVar[str] = "feedback.records.summarized"

    title: str = Field(description="The records in a few words.")
    themes: tuple[Theme, ...] = Field(description="What they speak of, most frequent first.")
    other_record_ids: tuple[Identifier, ...] = Field(
        default=(), description="Records that were read and stand behind none of the themes."
    )
    records_given: WholeNumber | None = Field(default=None, ge=0, description="How many records the request held.")
    records_used: WholeNumber | None = Field(default=None, ge=0, description="How many of them the model read.")


class SensitiveFinding(Frozen):
    """A kind of sensitive content found in a record."""

    type: SensitiveType = Field(description="The kind of sensitive content.")
    level: SensitivityLevel | None = Field(
        default=None, description="How soon somebody who is trained for it should look: it follows from the type."
    )
    confidence: Confidence = Field(description="How sure the model is.")
    reason: str = Field(description="Why, in the model's words.")


class SensitivityDetected(Result):
    """Whether one record needs protection, and why. It prefers a finding too many to one too few."""

    ce_type: ClassVar[str] = "feedback.sensitivity.detected"

    record_id: Identifier = Field(description="The screened record.")
    sensitive: bool = Field(description="Whether anything sensitive was found.")
    findings: tuple[SensitiveFinding, ...] = Field(description="What was found, each type once, most confident first.")
    findings_dropped: WholeNumber = Field(
        default=0,
        ge=0,
        description="Further findings that were left out: the model gave them types that do not exist, or said of a "
        "type again what cannot be read, even when asked again.",
    )


class AnalysisCompleted(OverMany):
    """The answer to a question over many records."""

    ce_type: ClassVar[str] = "feedback.analysis.completed"

    answer: str = Field(description="The answer, as plain text.")
    confidence: Confidence = Field(description="How sure the model is of its answer.")
    disclaimer: str = Field(description="What a reader must know before relying on the answer.")
    records_given: WholeNumber = Field(ge=0, description="How many records the request held.")
    records_used: WholeNumber = Field(ge=0, description="How many of them the model read.")
    period: Period | None = Field(default=None, description="The period of the request.")
    trend: Trend | None = Field(default=None, description="The codes over time; null where no record has a code.")
    own_codings: OwnCodings | None = Field(
        default=None,
        description="Whether our own codings count in the trend: read; not_needed (all records have codes in their "
        "metadata); unavailable (the database did not answer in time); not_configured (the worker has none).",
    )


class ResultJudged(Event):
    """A second opinion on a result."""

    ce_type: ClassVar[str] = "feedback.result.judged"

    judgement_id: UUID = Field(description="The same for every delivery of the same judgement.")
    result_id: UUID = Field(description="The judged result.")
    tenant_id: Identifier = Field(description="The organisation that owns the result.")
    faithfulness: Confidence = Field(description="Whether the result says only what the input says.")
    coverage: Confidence = Field(description="Whether it says all of what matters.")
    clarity: Confidence = Field(description="Whether it is easy to read.")
    score: Confidence = Field(description="The three as one number.")
    model: str = Field(description="The judging model.")
    prompt_version: str = Field(description="The version of the judging prompt.")
    invocation_id: UUID = Field(description="The invocation that judged.")
    completed_at: Timestamp = Field(description="When the judgement was complete.")
