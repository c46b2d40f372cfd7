"""What a process does with our tables, and whether the database lets it."""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.reading import answering
from adapters.postgres.tables import ROLLUPS
from domain.errors import UserError

Rights = Mapping[str, tuple[str, ...]]
"""PostgreSQL's privileges by table: `SELECT`, or `SELECT (column)` where one column is enough.

Migrations 0002 to 0012 grant these, and no more, to the roles feedback_consumer, feedback_api, feedback_keys,
feedback_worker, feedback_roller and feedback_budgets.
"""

STORING_CALLS: Rights = {
    "llm_calls": ("INSERT",),
    "consumer_positions": ("SELECT", "INSERT", "UPDATE"),
}
"""The consumer's. What is inserted, or else updated, must be readable, too."""

STORING_CODINGS: Rights = {"codings": ("SELECT (result_id)", "INSERT"), "corrections": ("SELECT (event_id)", "INSERT")}
"""The consumer's, too. It reads ids: what is there already is not stored again."""

STORING_DEAD_LETTERS: Rights = {"dead_letters": ("SELECT (dead_letter_id)", "INSERT")}
"""The consumer's, too, likewise."""

_ROLLUPS = tuple(table.name for table in ROLLUPS)

READING_USAGE: Rights = {
    **dict.fromkeys(("llm_calls", *_ROLLUPS, "usage_marks", "consumer_positions", "usage_retention"), ("SELECT",)),
    "api_keys": ("SELECT",),
}
"""The API's."""

READING_AGREEMENT: Rights = {"codings": ("SELECT",), "corrections": ("SELECT",)}
"""The API's, too."""

READING_DEAD_LETTERS: Rights = {"dead_letters": ("SELECT",)}
"""The API's, too."""

READING_PAST_CODINGS: Rights = {
    "codings": (
        "SELECT (tenant_id)",
        "SELECT (record_id)",
        "SELECT (code_ids)",
        "SELECT (abstained)",
        "SELECT (completed_at)",
        "SELECT (result_id)",
    )
}
"""A worker's."""

READING_PAUSES: Rights = {
    "budget_pauses": ("SELECT (tenant_id)", "SELECT (operation)", "SELECT (until)", "SELECT (ended_at)")
}
"""A worker's, too."""

ROLLING_USAGE: Rights = {
    "llm_calls": ("SELECT",),
    **dict.fromkeys(_ROLLUPS, ("SELECT", "INSERT", "DELETE")),
    "usage_marks": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "usage_retention": ("SELECT",),
}
"""The roller's; and to run `ensure_llm_calls_month`."""

WATCHING_BUDGETS: Rights = {
    **dict.fromkeys(("llm_calls", *_ROLLUPS, "usage_marks", "consumer_positions", "usage_retention"), ("SELECT",)),
    "budget_alerts": ("SELECT", "INSERT", "UPDATE (webhook_at)"),
    "budget_pauses": (
        "SELECT",
        "INSERT",
        "UPDATE (ended_at)",
        "UPDATE (sent_again_at)",
        "UPDATE (inputs_since)",
        "DELETE",
    ),
}
"""Of `feedback budgets`."""

SHOWING_BUDGETS: Rights = {**WATCHING_BUDGETS, "budget_alerts": ("SELECT",), "budget_pauses": ("SELECT",)}
"""Of `feedback budgets --once`."""

SURVEYING_PRICES: Rights = dict.fromkeys(("llm_calls", "usage_retention"), ("SELECT",))
"""Of `feedback reprice --dry-run`."""

REPRICING: Rights = {
    "usage_retention": ("SELECT",),
    "llm_calls": (
        "SELECT",
        "UPDATE (cost_usd)",
        "UPDATE (cost_source)",
        "UPDATE (recorded_cost_usd)",
        "UPDATE (recorded_cost_source)",
        "UPDATE (repriced_at)",
    ),
}
"""Of `feedback reprice`."""

PLANNING_RETENTION: Rights = dict.fromkeys(("llm_calls", "usage_marks", "usage_retention"), ("SELECT",))
"""Of `feedback retention --dry-run`; without it, it must be the tables' owner."""

IMPORTING_USAGE: Rights = {"llm_calls": ("SELECT", "INSERT"), "usage_retention": ("SELECT",)}
"""Of `feedback import-usage`; and to run `ensure_llm_calls_month`."""

KEEPING_KEYS: Rights = {"api_keys": ("SELECT", "INSERT", "UPDATE (revoked_at)")}
"""Of `feedback keys`."""

_HELD = text("""
    SELECT needed.name, asked.oid IS NOT NULL,
           coalesce(CASE WHEN field = '' THEN has_table_privilege(asked.oid, privilege)
                    ELSE has_column_privilege(asked.oid, field, privilege) END, false),
           quote_ident(current_user)
    FROM unnest(CAST(:names AS text[]), CAST(:privileges AS text[]), CAST(:fields AS text[]))
         WITH ORDINALITY AS needed(name, privilege, field, place),
         LATERAL (SELECT to_regclass(needed.name)::oid) AS asked(oid)
    ORDER BY place
""")


async def check_rights(engine: AsyncEngine, needed: Rights, address: str) -> None:
    """See that our user may do what the process will do.

    Raises:
        UserError: it may not, or a table is not there; `remedy` is the statement that mends it.
        UsageUnavailableError: the database does not answer.
    """
    pairs = [(name, privilege) for name, privileges in needed.items() for privilege in privileges]
    asked = {
        "names": [name for name, _ in pairs],
        "privileges": [privilege.partition(" ")[0] for _, privilege in pairs],
        "fields": [privilege.partition("(")[2].rstrip(")") for _, privilege in pairs],
    }
    async with answering(engine) as connection:
        held = (await connection.execute(_HELD, asked)).all()
    missing: dict[str, list[str]] = {}
    for (name, privilege), (_, is_there, is_held, _) in zip(pairs, held, strict=True):
        if not is_there:
            raise UserError(
                f"The database at {address} has no table {name} that our user can see.",
                "Run `feedback migrate` with the same settings, and see that both use the same schema (search_path).",
            )
        if not is_held:
            missing.setdefault(name, []).append(privilege)
    if missing:
        user = held[0][3]
        alike: dict[str, list[str]] = {}
        for name, lacking in missing.items():
            alike.setdefault(", ".join(lacking), []).append(name)
        grants = " ".join(f"GRANT {lacking} ON {', '.join(names)} TO {user};" for lacking, names in alike.items())
        lacks = " and ".join(f"{lacking} on {', '.join(names)}" for lacking, names in alike.items())
        raise UserError(
            f"The user {user} of the database at {address} has no right to {lacks}.",
            f"Have the tables' owner run `{grants}`, or make it a member of the role for it (docs/security.md).",
        )
