"""The supervisor: a death is followed by a new life; a mistake or a halt is not."""

import asyncio

import pytest

from domain.errors import FeedbackError, UserError, WorkerHaltedError
from runtime.system.supervisor import Supervisor


class FakeWard:
    """Lives until it is told to die; counts its lives in its process id."""

    def __init__(self, words: str = "", failing_starts: int = 0) -> None:
        self.lives = 0
        self.stopped = False
        self.words = words
        self.failing_starts = failing_starts
        self.started = asyncio.Event()
        self._death: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def pid(self) -> int:
        return 1000 + self.lives

    async def start(self) -> None:
        if self.lives and self.failing_starts:
            self.failing_starts -= 1
            raise FeedbackError("not yet")
        self.lives += 1
        self._death = asyncio.get_running_loop().create_future()
        self.started.set()

    async def wait(self) -> int:
        return await asyncio.shield(self._death)

    async def stop(self) -> None:
        self.stopped = True

    def last_words(self) -> str:
        return self.words

    def die(self, code: int) -> None:
        self.started.clear()
        self._death.set_result(code)


class Scene:
    """A supervisor, and what it said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pids: dict[str, int] = {}
        self.supervisor = Supervisor(self.lines.append, self._take)

    def _take(self, pids: dict[str, int]) -> None:
        self.pids = pids


async def test_a_dead_process_is_started_again_and_a_line_says_so():
    scene = Scene()
    ward = FakeWard(words="the disk is full")
    await scene.supervisor.add("worker", ward)
    assert scene.pids == {"worker": 1001}
    ward.die(137)
    await ward.started.wait()
    await scene.supervisor.stop()
    assert scene.pids == {"worker": 1002}
    assert scene.lines == ["worker died (signal 9): the disk is full - started again as process 1002"]
    assert ward.stopped


@pytest.mark.parametrize(("code", "error"), [(2, UserError), (3, WorkerHaltedError)])
async def test_a_mistake_or_a_halt_is_told_and_not_repeated(code: int, error: type[FeedbackError]):
    scene = Scene()
    ward = FakeWard(words="halted: no such model" if code == 3 else "no such model")
    await scene.supervisor.add("worker", ward)
    ward.die(code)
    with pytest.raises(error, match=r"^no such model$"):
        await scene.supervisor.failed()
    await scene.supervisor.stop()
    assert ward.lives == 1
    assert scene.pids == {}  # its number may be another program's by now


async def test_what_looks_like_a_mistake_later_on_is_a_death():
    """Kafka that is away for a moment while a worker starts again must not end the system."""
    scene = Scene()
    ward = FakeWard()
    await scene.supervisor.add("worker", ward)
    ward.die(1)
    await ward.started.wait()
    ward.die(2)
    await ward.started.wait()
    await scene.supervisor.stop()
    assert ward.lives == 3


async def test_stopping_leaves_no_task_and_ends_every_process():
    scene = Scene()
    wards = [FakeWard() for _ in range(3)]
    for number, ward in enumerate(wards):
        await scene.supervisor.add(str(number), ward)
    before = asyncio.all_tasks()
    await scene.supervisor.stop()
    assert all(ward.stopped for ward in wards)
    assert len(asyncio.all_tasks()) == len(before) - 3
