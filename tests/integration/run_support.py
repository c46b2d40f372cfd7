"""What the tests of `feedback run` share: servers of its own kind, files of records."""

import json
from pathlib import Path
from typing import Any

from tests.integration.system_support import PARTITIONS


def environment_of_a_run(kafka: str, database: str) -> dict[str, Any]:
    """The environment of a run of its own on the broker that all whole systems share."""
    name = database.rpartition("/")[2]
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_TOPIC_PARTITIONS": PARTITIONS,
        "DATABASE_URL": database,
        "WORKER_GROUP": f"{name}-workers",
        "CONSUMER_GROUP": f"{name}-calls",
        "DRAIN_SECONDS": "1",
    }


def a_file(path: Path, *records: dict[str, Any]) -> Path:
    """A JSON Lines file of records."""
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path
