"""I1, I2, I7: every input has one outcome, no outcome is of anything else, and each dead letter tells the truth."""

from collections import Counter
from collections.abc import Iterator

from schemas.cloudevents import deterministic_id
from tests.chaos.evidence import Input, Letter
from tests.chaos.invariants.book import Asked, Book, places, where


def nothing_lost(book: Book) -> Iterator[str]:
    """I1: each operation of an input that was acknowledged has a result or a dead letter; a sentence for each without.

    A dead letter of the whole input answers all of its operations. Inputs that nobody is to answer are exempt. An input
    that was replayed has a result, unless that publication was made to fail as well.
    """
    for asked in book.events.values():
        unkept = [] if book.evidence.outcome_may_change else asked.unkept
        for name in dict.fromkeys([*asked.unanswered, *unkept]):
            what = f"{name} of event" if name else "event"
            yield f"lost: {what} {asked.event_id}, published at {places(asked.inputs)}, lacks its outcome"


def nothing_doubled(book: Book) -> Iterator[str]:
    """I1: an operation has a result xor a dead letter; a sentence for each that has both.

    Both are right after a replay, or where the case says that an outcome may change: then the result counts. A dead
    letter of the whole input is right beside nothing else, except after a replay.
    """
    for asked in book.events.values():
        if asked.replayed:
            continue
        if asked.letters.get("") and (len(asked.letters) > 1 or any(asked.operations.values())):
            yield f"doubled: event {asked.event_id} has a dead letter for the whole of it beside other outcomes"
        if book.evidence.outcome_may_change:
            continue
        for name, results in asked.operations.items():
            if results and asked.letters.get(name):
                yield f"doubled: {name} of event {asked.event_id} has both a result and a dead letter"


def no_stray_outcomes(book: Book) -> Iterator[str]:
    """I2: each outcome's id derives from an input of the case and an operation that it asked for."""
    for result in book.strays:
        yield f"result {result.result_id} at {where(result.place)} is of no operation that was asked for"
    for letter in book.stray_letters:
        yield f"dead letter {letter.dead_letter_id} at {where(letter.place)} is of no operation that was asked for"


def same_owner(book: Book) -> Iterator[str]:
    """I2: an outcome belongs to the tenant of its input, where that is known; a dead letter names its input's place.

    What else a dead letter says of its operation agrees with its own id.
    """
    for asked in book.events.values():
        at = {given.place: {given.tenant_id} - {None} for given in asked.inputs}
        known = set().union(*at.values())
        for message in asked.messages():
            tenants = at.get(message.source, known) if isinstance(message, Letter) else known
            if tenants and message.tenant_id not in tenants:
                yield f"the outcome at {where(message.place)} of event {asked.event_id} belongs to another tenant"
        for name, letters in asked.letters.items():
            for letter in letters:
                if letter.source not in at:
                    told = f"names {where(letter.source)} as its source: its event is at {places(asked.inputs)}"
                    yield f"dead letter {letter.dead_letter_id} at {where(letter.place)} {told}"
                if not _names(letter, asked.answered_as, name):
                    told = "names another operation or result than its id does"
                    yield f"dead letter {letter.dead_letter_id} at {where(letter.place)} {told}"


def _names(letter: Letter, answered_as: str, operation: str) -> bool:
    wanted = str(deterministic_id(answered_as, operation)) if operation else None
    return letter.operation == (operation or None) and letter.result_id == wanted


def reasons_as_injected(book: Book) -> Iterator[str]:
    """I7: each input that was made to fail has a dead letter of that very reason, and there are no others.

    Counted by event: one that asked for two operations may have a dead letter for each. Where an outcome may change,
    inputs that were not made to fail may have dead letters, too.
    """
    injected: Counter[str] = Counter()
    found: Counter[str] = Counter()
    sentences: list[str] = []
    for asked in book.events.values():
        wanted = {given.reason for given in asked.inputs if given.reason and not given.skipped}
        told = {letter.reason for letters in asked.letters.values() for letter in letters}
        injected.update(wanted)
        if wanted or not book.evidence.outcome_may_change:
            found.update(told)
            sentences.extend(_mistold(asked, wanted, told))
    for reason in sorted(injected | found):
        if injected[reason] != found[reason]:
            yield f"{reason}: {injected[reason]} inputs were made to fail so, {found[reason]} have such dead letters"
    yield from sentences


def _mistold(asked: Asked, wanted: set[str], told: set[str]) -> Iterator[str]:
    for reason in sorted(wanted - told):
        yield f"event {asked.event_id} at {places(asked.inputs)} has no dead letter {reason}"
    for reason in sorted(told - wanted):
        yield f"event {asked.event_id} at {places(asked.inputs)} has a dead letter {reason} that nothing called for"


def payloads_kept(book: Book) -> Iterator[str]:
    """I7: each dead letter carries the bytes of the input at its source, or none where none fit."""
    for asked in book.events.values():
        at = {given.place: given for given in asked.inputs}
        for letters in asked.letters.values():
            for letter in letters:
                given = at.get(letter.source)
                if given is not None and not _carries(letter, given):
                    yield f"dead letter {letter.dead_letter_id} at {where(letter.place)} carries other bytes than came"


def _carries(letter: Letter, given: Input) -> bool:
    return letter.sha256 == given.sha256 or (letter.sha256 is None and given.uncarried)
