"""How far an answer over many records is: news for a progress bar, not results."""

from typing import ClassVar, Literal

from pydantic import Field

from schemas.base import Event, Identifier, Timestamp, WholeNumber


class Progressed(Event):
    """How far the work on a request is. It may come again from the start after a crash; the result says what counts."""

    tenant_id: Identifier = Field(description="The organisation that asks.")
    request_id: Identifier = Field(description="The request that is worked on.")
    stage: Literal["map", "reduce"] = Field(
        description="map: the records are read, chunk by chunk; reduce: what was found is put together."
    )
    done: WholeNumber = Field(ge=0, description="How many steps of this stage are done, failed ones included.")
    total: WholeNumber = Field(ge=1, description="How many steps this stage has, as far as is known now.")
    records_read: WholeNumber = Field(ge=0, description="How many records were read so far.")
    records_given: WholeNumber = Field(ge=1, description="How many records the request holds.")
    at: Timestamp = Field(description="When this was so.")


class AnalysisProgressed(Progressed):
    """How far an analysis is."""

    ce_type: ClassVar[str] = "feedback.analysis.progressed"


class SummaryProgressed(Progressed):
    """How far a summary over many records is."""

    ce_type: ClassVar[str] = "feedback.summary.progressed"
