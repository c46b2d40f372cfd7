"""`feedback.code-assignments` and `feedback.corrections` -> the tables `codings` and `corrections`."""

from uuid import UUID

from consumers.batches import Table, Tables
from domain.delivery.decoding import read_event
from domain.delivery.messages import InboundMessage
from domain.errors import WrongSchemaError
from domain.ports import CodingSink, CorrectionSink, IdentifiedCorrection
from schemas.base import PLAUSIBLE_YEARS
from schemas.cloudevents import identify
from schemas.corrections import CodesCorrected
from schemas.results import CodesAssigned
from schemas.topics import CODE_ASSIGNMENTS, CORRECTIONS


def coding_tables(
    codings: CodingSink,
    corrections: CorrectionSink,
    codings_topic: str = CODE_ASSIGNMENTS.name,
    corrections_topic: str = CORRECTIONS.name,
) -> Tables:
    """The two tables, each of its topic."""
    return {
        codings_topic: Table("coding", decode_coding, codings),
        corrections_topic: Table("correction", decode_correction, corrections),
    }


def decode_coding(message: InboundMessage) -> CodesAssigned:
    """The coding that a message carries.

    Raises:
        InputError: it carries none; the subclass has the reason, the message no word of the input.
    """
    coding = read_event(message.value, CodesAssigned)
    if coding.completed_at.year not in PLAUSIBLE_YEARS:  # the calendar's ends would be stored as infinities
        years = f"{PLAUSIBLE_YEARS[0]} to {PLAUSIBLE_YEARS[-1]}"
        raise WrongSchemaError(f"Not a valid CodesAssigned: `completed_at` must be of the years {years}.")
    return coding


def decode_correction(message: InboundMessage) -> IdentifiedCorrection:
    """The correction that a message carries, with the id of its event: the same whenever it is delivered again.

    Raises:
        InputError: as `decode_coding`.
    """
    correction = read_event(message.value, CodesCorrected)
    identity = identify(message.topic, message.key, message.value, message.headers)
    return IdentifiedCorrection(UUID(identity.event_id), correction)
