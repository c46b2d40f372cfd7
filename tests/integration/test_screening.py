"""Screening through the real worker on a real broker: findings arrive on their topic; what is invalid does not."""

import pytest

from schemas.results import SensitivityDetected
from schemas.sensitivity import SensitiveType
from schemas.topics import SENSITIVITY
from tests.builders import TENANT
from tests.integration.crm_support import a_crm
from tests.integration.system_support import empty_topics


@pytest.fixture(scope="module")
async def crm(system_broker):
    await empty_topics(system_broker)
    async with a_crm(system_broker, "screening") as crm:
        yield crm


def asking(record_id: str, content: str, *operations: str) -> dict[str, object]:
    return {"tenant_id": TENANT, "record_id": record_id, "content": content, "operations": operations}


async def test_a_screened_record_has_its_findings_on_their_topic_beside_its_summary(crm):
    event_id = await crm.send(asking("r-1", "Somebody stole our pump.", "detect_sensitive", "summarize"))
    harmless = await crm.send(asking("r-2", "The tap is dry.", "detect_sensitive"))

    message = await crm.outcome(event_id, "detect_sensitive")
    found = SensitivityDetected.model_validate_json(message.value)
    assert (message.topic, message.key) == (SENSITIVITY.name, b"r-1")
    assert dict(message.headers)["ce_type"] == b"feedback.sensitivity.detected"
    assert (found.tenant_id, found.record_id, found.prompt_version) == (TENANT, "r-1", "detect_sensitive.v1")
    assert found.sensitive
    assert [(one.type, one.level, one.confidence) for one in found.findings] == [
        (SensitiveType.THEFT, SensitiveType.THEFT.level, 0.4)
    ]
    assert (await crm.result(event_id, "summarize"))["record_id"] == "r-1"

    assert (await crm.result(harmless, "detect_sensitive"))["sensitive"] is False


async def test_a_type_that_does_not_exist_is_refused_once_and_given_up_the_second_time(crm):
    given_up = await crm.send(asking("r-3", "Hm. [[unknown-id]]", "detect_sensitive", "summarize"))
    mended = await crm.send(asking("r-4", "They stole it. [[unknown-idx1]]", "detect_sensitive"))

    letter = await crm.letter(given_up, "detect_sensitive")
    assert (letter["reason"], letter["operation"], letter["attempts"]) == ("invalid_output", "detect_sensitive", 2)
    assert (letter["tenant_id"], letter["record_id"]) == (TENANT, "r-3")
    assert "sorcery" not in letter["message"]
    await crm.result(given_up, "summarize")
    assert (await crm.result(mended, "detect_sensitive"))["sensitive"] is True
