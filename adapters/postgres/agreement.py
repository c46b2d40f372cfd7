"""Counts how far codings and corrections agree: one statement a question, so that an answer is of one moment."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.on_behalf import STATEMENT_SECONDS, begin_for
from adapters.postgres.reading import answering
from domain.agreement import AgreementCounts, AgreementQuestion, CodeCounts
from domain.keys import NOBODY, Asker

# `judged`: one row per record, with the two sets of codes. Of corrections at one moment the one with the highest event
# id counts, and of codings the one with the highest result id: which came first is no lasting property.
_COUNTS = text("""
    WITH latest AS (
        SELECT DISTINCT ON (record_id) record_id, code_ids, corrected_at, result_id
        FROM corrections
        WHERE tenant_id = :tenant_id AND framework_id = :framework_id
          AND corrected_at >= :start AND corrected_at < :end
        ORDER BY record_id, corrected_at DESC, event_id DESC
    ), judged AS (
        SELECT latest.record_id, coding.code_ids AS assigned, latest.code_ids AS corrected
        FROM latest CROSS JOIN LATERAL (
            SELECT code_ids, framework_version
            FROM codings
            WHERE tenant_id = :tenant_id AND record_id = latest.record_id AND framework_id = :framework_id
              AND CASE WHEN latest.result_id IS NULL THEN completed_at <= latest.corrected_at
                       ELSE result_id = latest.result_id END
            ORDER BY completed_at DESC, result_id DESC
            LIMIT 1
        ) AS coding
        WHERE CAST(:framework_version AS text) IS NULL OR coding.framework_version = :framework_version
    ), given AS (
        SELECT record_id, code_id, bool_or(by_coding) AS assigned, bool_or(NOT by_coding) AS corrected
        FROM (
            SELECT record_id, unnest(assigned) AS code_id, true AS by_coding FROM judged
            UNION ALL
            SELECT record_id, unnest(corrected), false FROM judged
        ) AS each_code
        GROUP BY record_id, code_id
    )
    SELECT code_id, count(*) FILTER (WHERE assigned) AS assigned, count(*) FILTER (WHERE corrected) AS corrected,
           count(*) FILTER (WHERE assigned AND corrected) AS agreed, NULL AS records, NULL AS exact
    FROM given GROUP BY code_id
    UNION ALL
    SELECT NULL, NULL, NULL, NULL,
           count(*), count(*) FILTER (WHERE assigned @> corrected AND assigned <@ corrected)
    FROM judged
""")


class PostgresAgreementReader:
    """Fulfils `domain.agreement.AgreementReader` on the tables `codings` and `corrections`."""

    def __init__(self, engine: AsyncEngine, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._engine = engine
        self._statement_seconds = statement_seconds

    async def of(self, question: AgreementQuestion, asker: Asker = NOBODY) -> AgreementCounts:
        """The counts, of what the asker may see; zeros where no record is judged.

        Raises:
            UsageUnavailableError: the database cannot answer now.
        """
        asked = {
            "tenant_id": question.tenant_id,
            "framework_id": question.framework_id,
            "framework_version": question.framework_version,
            "start": question.window.start,
            "end": question.window.end,
        }
        async with answering(self._engine) as connection:
            await begin_for(connection, asker, self._statement_seconds)
            rows = (await connection.execute(_COUNTS, asked)).all()
        codes = tuple(
            CodeCounts(row.code_id, row.assigned, row.corrected, row.agreed) for row in rows if row.code_id is not None
        )
        (in_all,) = (row for row in rows if row.code_id is None)
        return AgreementCounts(in_all.records, in_all.exact, codes)
