"""Whether a pooled connection still lives: what the driver saw closed does not, and what idled for a while is asked.

SQLAlchemy's `pool_pre_ping` asks at every use, in three messages, which takes as long as a short question itself.
"""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine

IDLE_SECONDS = 1.0
"""What is used again sooner is not asked: where it died meanwhile unseen, the first question tells, and fails."""

_SINCE = "idle_since"


def ask_idle_connections(engine: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
    """See that no connection is used that is closed, and that one that idled is asked before whether it lives.

    Where one does not live, all that the pool had before are replaced, as with `pool_pre_ping`.

    Args:
        engine: whose connections.
        clock: seconds.
    """
    pool, dialect = engine.sync_engine, engine.dialect

    def back(_: Any, record: Any) -> None:
        record.info[_SINCE] = clock()

    def out(connection: Any, record: Any, _: Any) -> None:
        since = record.info.pop(_SINCE, None)
        if connection.driver_connection.is_closed():  # costs no message: a server that stops says goodbye
            raise InvalidatePoolError
        if since is None or clock() - since < IDLE_SECONDS:
            return
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(pool, "checkin", back)
    event.listen(pool, "checkout", out)
