"""One invocation among fakes: a model that says what a function says, in any order, and keeps what it was asked."""

import asyncio
import json
import re
from html import unescape
from uuid import UUID

from domain.errors import InvalidOutputError, TooLargeError
from domain.llm.conversation import Answer
from domain.llm.tokens import room
from domain.operations.answers import Made
from tests.builders import NOON, an_analysis_request
from tests.fakes import a_completion

MADE = Made(UUID(int=1), UUID(int=2), "some/model", "v1", NOON)
_NUMBERED = re.compile(r'<(feedback_record|findings|theme) number="(\d+)"[^>]*>\n(.*?)\n</\1>', re.DOTALL)


def envelopes(prompt):
    """The texts in a prompt's envelopes, as they were before they were escaped; their numbers count from 1."""
    found = _NUMBERED.findall(prompt.user)
    assert [int(number) for _, number, _ in found] == list(range(1, len(found) + 1))
    return [unescape(text) for _, _, text in found]


class FakeSteps:
    """Steps whose model answers with what `say` returns for a prompt (text, or an object), or raises.

    Attributes:
        asked: all prompts.
        told: all events, with their keys.
        most_running: questions under way at the same time, at most.
        left: seconds that remain.
        context: tokens that the model takes; None: whatever comes.
    """

    def __init__(self, say, left=300.0, context=None):
        self.say = say
        self.asked = []
        self.told = []
        self.running = self.most_running = 0
        self.left = left
        self.context = context

    async def ask(self, prompt, parse):
        if self.room_for(prompt) < 0:
            raise TooLargeError("Too large.")
        self.asked.append(prompt)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            for last in (False, True):
                said = self.say(prompt)
                said = await said if asyncio.iscoroutine(said) else said
                text = said if isinstance(said, str) else json.dumps(said)
                try:
                    return Answer(parse(text), a_completion(text), "asked/model")
                except InvalidOutputError:
                    if last:
                        raise
        finally:
            self.running -= 1

    async def tell(self, key, event):
        self.told.append((key, event))

    def room_for(self, prompt):
        return room(prompt, self.context)

    def remaining_seconds(self):
        return self.left

    def versions(self):
        """The versions of all prompts, in order."""
        return [prompt.version for prompt in self.asked]


def records(*contents, **fields):
    """Records r1, r2, ... with these contents."""
    return [{"record_id": f"r{n}", "content": content, **fields} for n, content in enumerate(contents, 1)]


def many(count, length=300):
    """So many records of one length; each begins with its own id."""
    return [{"record_id": f"r{n}", "content": (f"r{n} " + "xy" * length)[:length]} for n in range(1, count + 1)]


def an_analysis_of(*contents, **fields):
    """A request for an analysis of records with these contents."""
    return an_analysis_request(records=records(*contents), **fields)
