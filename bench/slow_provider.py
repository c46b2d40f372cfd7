"""A provider that answers every chat completion with the same summary after 200 ms, and takes next to no CPU.

    python -m bench.slow_provider [--port 9000] [--latency 0.2]

The first line printed is the base URL. `tests.llm_server` reads its requests and answers accordingly; with a thousand
calls in flight on two cores that would be what is measured. This one looks for the end of a request and no further.
"""

import argparse
import asyncio
import json
from typing import cast

HOST = "127.0.0.1"
_ANSWER = {
    "id": "chatcmpl-local",
    "object": "chat.completion",
    "created": 1_750_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": json.dumps(
                    {
                        "title": "Water point out of order",
                        "bullets": ["The water point is broken.", "People walk two hours.", "They ask for a repair."],
                    }
                ),
                "refusal": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 412,
        "completion_tokens": 58,
        "total_tokens": 470,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
    "service_tier": "default",
}
_END_OF_HEAD = b"\r\n\r\n"


def response(body: bytes) -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One connection: each request is answered after the latency, in the order in which they came."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._answer = response(json.dumps(_ANSWER).encode())
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own are none by inheritance

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := request_end(self._received)) is not None:
            self._received = self._received[end:]
            asyncio.get_running_loop().call_later(self._latency, self._respond)

    def _respond(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._answer)


def request_end(received: bytes) -> int | None:
    """Where the first request ends; None while it is not complete.

    Raises:
        ValueError: it has no Content-Length. Both clients that are measured send one.
    """
    head_end = received.find(_END_OF_HEAD)
    if head_end < 0:
        return None
    head = received[:head_end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        raise ValueError("a request without Content-Length")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0])
    end = head_end + len(_END_OF_HEAD) + length
    return end if len(received) >= end else None


async def serve(port: int, latency: float) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(latency), HOST, port, backlog=4096)
    print(f"http://{HOST}:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    import uvloop

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=0, help="default: a free one")
    options.add_argument("--latency", type=float, default=0.2, help="seconds before each answer; default 0.2")
    given = options.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(given.port, given.latency))


if __name__ == "__main__":
    main()
