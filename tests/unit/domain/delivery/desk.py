"""Parts of requests, and a register that takes them."""

import asyncio

from domain.delivery.parts import PartsRegister, PartsSettings
from tests.builders import a_message, an_analysis_request


def a_part(number, of=3, *ids, make=an_analysis_request, **fields):
    """A part that holds records with these ids, or one named after its number."""
    records = [{"record_id": name, "content": f"Said in {name}."} for name in (ids or (f"p{number}",))]
    return make(records=records, part={"number": number, "of": of}, **fields)


class Desk:
    """A register, and what became of the messages that were handed in.

    Attributes:
        worked: the whole requests that were worked on.
        work: what the work does.
    """

    def __init__(self, **given):
        clock = given.pop("clock", None)
        times = {"monotonic": clock, "now": clock.now} if clock else {}
        self.register = PartsRegister(PartsSettings(**given), **times)
        self.worked = []
        self.entered = []
        self.left = []

    async def work(self, whole):
        self.worked.append(whole)

    def hand_in(self, request, **message):
        """Handle a part as a task."""
        return asyncio.create_task(self.handle(a_message(request, topic="feedback.requests", **message), request))

    async def handle(self, message, request):
        self.entered.append(message)
        async with self.register.whole(message, request) as whole:
            if whole is not None:
                await self.work(whole)
        self.left.append(message.offset)
