"""LLM calls and API keys

Revision ID: 0001
Revises:
Create Date: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "llm_calls",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("call_id", sa.Uuid, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("invocation_id", sa.Uuid, nullable=False),
        sa.Column("invocation_started_at", MOMENT, nullable=False),
        sa.Column("timestamp", MOMENT, nullable=False),
        sa.Column("call_duration_ms", sa.Double, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("request_model", sa.Text, nullable=False),
        sa.Column("model", sa.Text),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cache_read_input_tokens", sa.BigInteger),
        sa.Column("reasoning_output_tokens", sa.BigInteger),
        sa.Column("cost_usd", sa.Numeric(18, 12)),
        sa.Column("cost_source", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error_class", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("prompt_version", sa.Text),
        sa.Column("record_id", sa.Text),
        sa.Column("request_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name="pk_llm_calls"),
        sa.UniqueConstraint("call_id", name="uq_llm_calls_call_id"),
        sa.CheckConstraint("status IN ('ok', 'error')", name=op.f("ck_llm_calls_status")),
    )
    op.create_index("ix_llm_calls_tenant_id_timestamp", "llm_calls", ["tenant_id", "timestamp"])
    op.create_index("ix_llm_calls_tenant_id_invocation_started_at", "llm_calls", ["tenant_id", "invocation_started_at"])
    op.create_index("ix_llm_calls_times", "llm_calls", ["timestamp", "invocation_started_at"], postgresql_using="brin")
    op.create_table(
        "api_keys",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("superuser", sa.Boolean, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False, server_default=sa.func.now()),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("prefix", name="uq_api_keys_prefix"),
    )


def downgrade() -> None:
    op.drop_table("api_keys")
    op.drop_table("llm_calls")
