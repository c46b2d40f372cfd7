"""Every registered topic has its models, and every model an example that is what the model says."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from pydantic import ValidationError

import schemas.examples
from schemas.base import SUPPORTED_SCHEMA_VERSION, Event
from schemas.cloudevents import deterministic_id, identify
from schemas.dead_letters import DeadLetter
from schemas.frameworks import framework_key
from schemas.results import CodesAssigned
from schemas.topics import TOPICS, Topic

EXAMPLES = Path(schemas.examples.__path__[0])
MODELS = sorted({model for topic in TOPICS for model in topic.events}, key=lambda model: model.__name__)


def example(model: type[Event]) -> str:
    return (EXAMPLES / f"{model.__name__}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_has_a_model_and_an_example(topic: Topic):
    assert topic.events
    for model in topic.events:
        assert model.model_validate_json(example(model))


def test_every_example_belongs_to_a_topic():
    assert {file.stem for file in EXAMPLES.glob("*.json")} == {model.__name__ for model in MODELS}


def test_topic_names_are_unique_and_every_event_has_its_own_type():
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    assert len({model.ce_type for model in MODELS}) == len(MODELS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_example_shows_every_field_that_it_can(model: type[Event]):
    shown = set(json.loads(example(model)))
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    assert required | {"schema_version"} <= shown <= set(model.model_fields)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_events_travel_unchanged(model: type[Event]):
    event = model.model_validate_json(example(model))
    assert model.model_validate_json(event.to_bytes()) == event


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_events_are_frozen_ignore_unknown_fields_and_describe_every_field(model: type[Event]):
    event = model.model_validate({**json.loads(example(model)), "something_new": 1})
    with pytest.raises(ValidationError):
        event.schema_version = 2
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_schema_version_is_1_where_absent(model: type[Event]):
    value = json.loads(example(model))
    del value["schema_version"]
    assert model.model_validate(value).schema_version == SUPPORTED_SCHEMA_VERSION == 1


def test_a_dead_letter_of_an_operation_names_the_result_that_it_stands_for():
    letter = json.loads(example(DeadLetter))
    headers = [(header["key"], b64decode(header["value_base64"])) for header in letter["headers"]]
    event_id = identify(letter["source"]["topic"], None, None, headers).event_id
    assert letter["result_id"] == str(deterministic_id(event_id, letter["operation"]))
    assert letter["result_id"] == json.loads(example(CodesAssigned))["result_id"]
    del letter["operation"], letter["result_id"]
    assert DeadLetter.model_validate(letter).result_id is None


def test_a_coding_says_how_much_of_the_framework_the_model_saw_where_it_did_not_see_all_of_it():
    value = json.loads(example(CodesAssigned))
    assert CodesAssigned.model_validate(value).narrowed is None
    event = CodesAssigned.model_validate(value | {"narrowed": {"codes_shown": 412, "codes_total": 3063}})
    assert json.loads(event.to_bytes())["narrowed"] == {"codes_shown": 412, "codes_total": 3063}


def test_no_two_frameworks_share_a_key():
    assert framework_key("a", "b") == "a/b"
    assert framework_key("a/b", "c") != framework_key("a", "b/c")
    assert framework_key("a%2Fb", "c") != framework_key("a/b", "c")
