"""Sends JSON Lines to a topic, and reads a topic, to try things out on an unencrypted Kafka where there is no kcat.

    .venv/bin/python samples/kafka.py send feedback.requests --key request_id < samples/requests.jsonl
    .venv/bin/python samples/kafka.py read feedback.analyses

Kafka is KAFKA_BOOTSTRAP_SERVERS. A line is sent as it stands; its key is its value of the field that `--key` names, or
several with slashes between (`tenant_id/framework_id`). Ctrl-C ends reading.
"""

import argparse
import asyncio
import json
import logging
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError


def key_of(line: str, fields: str) -> bytes:
    """The key of a line."""
    record = json.loads(line)
    return "/".join(str(record[field]) for field in fields.split("/")).encode()


async def send(servers: str, topic: str, fields: str) -> None:
    """Send all lines, and say how many Kafka has."""
    lines = [line for line in map(str.strip, sys.stdin) if line]
    messages = [(key_of(line, fields), line.encode()) for line in lines]
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
    try:
        await producer.start()
        for key, value in messages:
            await producer.send_and_wait(topic, key=key, value=value)
    finally:
        await producer.stop()
    print(f"sent: {len(messages)}", file=sys.stderr)


async def read(servers: str, topic: str, stop_at_end: bool) -> None:
    """Print each message's value on a line of its own, from the beginning."""
    looking = AIOKafkaConsumer(bootstrap_servers=servers)
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    try:
        await looking.start()
        if topic not in await looking.topics():
            sys.exit(f"There is no topic {topic}: `feedback topics list` has ours.")
        await consumer.start()
        ends = await consumer.end_offsets(consumer.assignment())
        while not stop_at_end or [True for place, end in ends.items() if await consumer.position(place) < end]:
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                for message in messages:
                    print((message.value or b"null").decode(), flush=True)
    finally:
        await consumer.stop()
        await looking.stop()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    sending = ways.add_parser("send", help="send the lines of standard input")
    sending.add_argument("topic")
    sending.add_argument("--key", required=True, metavar="FIELD", help="record_id, request_id, tenant_id/framework_id")
    reading = ways.add_parser("read", help="print a topic, and go on with what comes")
    reading.add_argument("topic")
    reading.add_argument("--stop-at-end", action="store_true", help="end with what is there")
    given = parser.parse_args()
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if not servers:
        sys.exit("KAFKA_BOOTSTRAP_SERVERS is not set: source .feedback/env (README.md).")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what goes wrong is said once, below
    try:
        if given.way == "send":
            asyncio.run(send(servers, given.topic, given.key))
        else:
            asyncio.run(read(servers, given.topic, given.stop_at_end))
    except KeyboardInterrupt:
        pass
    except (ValueError, KeyError, TypeError) as error:
        what = f"{type(error).__name__}: {error}"
        sys.exit(f"A line is no JSON object with the fields of the key ({what}); nothing was sent.")
    except KafkaError as error:
        sys.exit(f"Kafka at {servers} cannot do that ({type(error).__name__}). Is it running?")


if __name__ == "__main__":
    main()
