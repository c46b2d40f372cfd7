"""An embedded broker with a second listener that advertises a proxy: whoever bootstraps there stays behind the proxy.

Kafka tells its clients, per listener, where to connect. So nothing of its answers needs rewriting.
"""

import os
import random
from pathlib import Path
from typing import Any, ClassVar

from runtime.embedded.kafka import EmbeddedKafka
from runtime.embedded.ports import HOST
from tests.chaos.proxy import KafkaProxy

# Behind the others: the last line of a name counts. What was deleted must stay deleted through a SIGKILL (60 s else);
# and recovery is told by when the broker took a message, not by when its producer began to try.
_LISTENERS = """\
listeners=BROKER://{host}:{broker},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{broker},PROXIED://{proxy}
listener.security.protocol.map=BROKER:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.flush.start.offset.checkpoint.interval.ms=200
log.initial.task.delay.ms=200
log.message.timestamp.type=LogAppendTime
"""


class ProxiedKafka(EmbeddedKafka):
    """`bootstrap_servers` goes straight to the broker, `proxied_bootstrap_servers` through `proxy`.

    The proxy stands from `start` to `stop`, also while the broker is dead or restarting, and comes back at its port.

    Args:
        directory, options: as for `EmbeddedKafka`.
        rng: for the proxy's delays.
    """

    port_names: ClassVar[list[str]] = [*EmbeddedKafka.port_names, "proxied"]

    def __init__(self, directory: Path, *, rng: random.Random | None = None, **options: Any) -> None:
        super().__init__(directory, **options)
        self.proxy = KafkaProxy(HOST, 0, rng=rng)

    @property
    def data(self) -> Path:
        """Where its logs are."""
        return self._data

    @property
    def proxied_bootstrap_servers(self) -> str:
        """host:port of the proxy; the same for life."""
        return self.proxy.address

    async def start(self) -> None:
        """As `EmbeddedKafka.start`; the proxy first, unless it stands."""
        await self.proxy.start()
        try:
            await super().start()
        except BaseException:
            await self.proxy.stop()
            raise

    async def stop(self) -> None:
        """As `EmbeddedKafka.stop`; the proxy last."""
        await super().stop()
        await self.proxy.stop()

    async def restart(self) -> None:
        """As `EmbeddedKafka.restart`; the proxy stands all the while."""
        await super().stop()
        await self.start()

    def _write_properties(self, data: Path) -> None:
        super()._write_properties(data)
        self.proxy.target_port = self._ports["proxied"]
        with self._properties.open("a") as file:
            file.write(_LISTENERS.format(host=HOST, proxy=self.proxy.address, **self._ports))


def proxied_kafka(directory: Path, *, rng: random.Random | None = None) -> ProxiedKafka:
    """Such a broker, with the settings that the environment names for an embedded one."""
    home, cache = os.environ.get("KAFKA_HOME"), os.environ.get("FEEDBACK_CACHE_DIR")
    return ProxiedKafka(
        directory,
        rng=rng,
        kafka_home=Path(home) if home else None,
        maven_repository=os.environ.get("FEEDBACK_MAVEN_REPOSITORY"),
        cache_directory=Path(cache) if cache else None,
    )
