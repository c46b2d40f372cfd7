"""What the tests of whole processes share."""

import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from adapters.kafka.admin import ensure_topics
from adapters.kafka.connection import KafkaConnection
from runtime.cli.main import main
from runtime.settings import Settings
from tests import services
from tests.integration.system_support import PARTITIONS, empty_topics


@pytest.fixture(scope="session")
async def system_broker(services_mode, kafka, tmp_path_factory) -> AsyncIterator[str]:
    """The address of a broker with our own topics; never the environment's: what is on them is deleted."""
    async with AsyncExitStack() as stack:
        broker = kafka
        if services_mode == services.ENV:
            own = services.kafka_service(services.EMBEDDED, tmp_path_factory.mktemp("system-kafka"))
            broker = await stack.enter_async_context(own)
        await ensure_topics(KafkaConnection(broker.bootstrap_servers), PARTITIONS, 1)
        yield broker.bootstrap_servers


@pytest.fixture
async def system_kafka(system_broker) -> str:
    """The same, with nothing on its topics but frameworks."""
    await empty_topics(system_broker)
    return system_broker


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def assert_one_sentence(self, *words: str) -> None:
        """Exit code 2 and one line on stderr that holds the words: what is wrong, and the remedy."""
        assert self.code == 2, self
        assert self.err.startswith("feedback: "), self
        assert self.err.count("\n") == 1, self.err
        for word in words:
            assert word in self.err


def _levels() -> dict[str | None, int]:
    """The level of each logger by its name; None: the root's."""
    loggers = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    return {None: logging.root.level, **{one.name: one.level for one in loggers}}


@pytest.fixture
def feedback_says(tmp_path, monkeypatch, capfd) -> Iterator[Callable[..., Ended]]:
    """Runs `feedback` to its end. In this process, as its start takes longer than all of the mistakes."""
    monkeypatch.chdir(tmp_path)
    for name in set(Settings.model_fields) - {"kafka_allow_plaintext"}:
        monkeypatch.delenv(name.upper(), raising=False)
    root = logging.getLogger()
    handlers, levels = root.handlers[:], _levels()
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run(*arguments: object, **environment: object) -> Ended:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, str(value))
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *capfd.readouterr())

    yield run
    root.handlers[:] = handlers
    for name in _levels():  # a command may silence loggers for its own process, which is this one here
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    for number, handler in signals.items():
        signal.signal(number, handler)
