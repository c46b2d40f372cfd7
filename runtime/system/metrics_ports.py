"""Where the processes of one system listen: METRICS_PORT and the ports after it, and API_PORT."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from domain.errors import UserError
from runtime.settings import Settings

_LAST_PORT = 65_535


def metrics_ports(settings: Settings, names: Sequence[str], *, api: bool) -> dict[str, int]:
    """A port for each process, in the order of their names; none where METRICS_PORT asks for no metrics.

    Args:
        settings: METRICS_HOST, METRICS_PORT, API_HOST and API_PORT count.
        names: of the processes that serve metrics.
        api: whether the system has a read API, too.

    Raises:
        UserError: there are not enough ports behind METRICS_PORT, or API_PORT is among them.
    """
    first = settings.metrics_port
    if not first:
        return {}
    found = {name: first + nth for nth, name in enumerate(names)}
    last = max(found.values())
    if last > _LAST_PORT:
        raise UserError(
            f"METRICS_PORT={first} leaves too few ports: each process has one of its own, the last would have {last}.",
            f"Choose one of at most {_LAST_PORT - len(names) + 1}.",
        )
    for name, port in found.items():
        if api and port == settings.api_port and _meet(settings.metrics_host, settings.api_host):
            raise UserError(
                f"API_PORT={port} is the port of the {name}'s metrics, too (METRICS_PORT={first}; each process has one"
                " of its own, from there on).",
                f"Choose another API_PORT, or another METRICS_PORT: those from {first} to {last} are in use.",
            )
    return found


def check_free(settings: Settings, metrics: Iterable[int], *, api: bool) -> None:
    """Before anything is started: the ports that were asked for are free. (The read API may choose one by itself.)

    Args:
        settings: METRICS_HOST, API_HOST and API_PORT count.
        metrics: the ports of the processes that serve metrics.
        api: whether the system has a read API, too.

    Raises:
        UserError: one cannot be listened on, as the process itself would say it.
    """
    if api and settings.api_port:
        from api.server import listen  # not before it is needed: it brings FastAPI along

        listen(settings.api_host, settings.api_port).close()
    for port in metrics:
        from runtime.metrics import server  # as the library is only imported where metrics are served

        server.check_free(settings.metrics_host, port)


def metrics_url(settings: Settings, port: int) -> str:
    """Where the metrics of one process are read."""
    host = f"[{settings.metrics_host}]" if ":" in settings.metrics_host else settings.metrics_host
    return f"http://{host}:{port}/metrics"


def _meet(one: str, other: str) -> bool:
    """Whether two hosts may be one address; of names nobody knows before they are looked up."""
    try:
        first, second = ip_address(one), ip_address(other)
    except ValueError:
        return True
    return first == second or first.is_unspecified or second.is_unspecified
