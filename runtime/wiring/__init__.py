"""The composition root: what each process is made of. Nothing is wired elsewhere."""

from runtime.wiring.judging import run_judge
from runtime.wiring.parts import (
    database_engine,
    database_settings,
    database_url,
    delivery_settings,
    kafka_connection,
    key_store,
    llm_settings,
    publisher,
    unhurried_engine,
)
from runtime.wiring.processes import run_api, run_consumer, run_roller, run_worker

__all__ = [
    "database_engine",
    "database_settings",
    "database_url",
    "delivery_settings",
    "kafka_connection",
    "key_store",
    "llm_settings",
    "publisher",
    "run_api",
    "run_consumer",
    "run_judge",
    "run_roller",
    "run_worker",
    "unhurried_engine",
]
