"""When a circuit breaker opens, and how often it probes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When to open, and how often to probe.

    Attributes:
        failures: open after so many failures in a row, of anyone, with no answer to anyone between them,
        span_seconds: the last of them at least this long after the first.
        first_probe_seconds, last_probe_seconds: pause before a probe; doubled with each that fails, up to the last.
        refusal_seconds: a wrong key or model is sure when it has been refused for so long.
    """

    failures: int = 5
    span_seconds: float = 2.0
    first_probe_seconds: float = 1.0
    last_probe_seconds: float = 30.0
    refusal_seconds: float = 10.0
