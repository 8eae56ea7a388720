"""What comes with a trace from outside is taken for what is known of it, whatever else it says."""

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider

from libs.contracts.ids import new_id
from libs.telemetry import causation, inject, inject_trace, outside_context, server_span

CAUSE = str(new_id())
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HOSTILE = {
    "no id": "causation-id=the full moon",
    "nothing": "causation-id=",
    "no pair": "causation-id",
    "too long": f"causation-id={'0' * 10_000}",
    "too many": ",".join(f"a{number}=1" for number in range(1_000)) + f",causation-id={CAUSE}",
    "control characters": "causation-id=\x00\x01;%0d%0a",
    "twice": f"causation-id={CAUSE},causation-id=none",
}


def served(said: str) -> tuple[str | None, dict[str, str], dict[str, str]]:
    """What a handler finds as the cause, and what it passes on, to services and to subscribers."""
    headers = {"traceparent": TRACE, "baggage": said}
    tracer = TracerProvider().get_tracer("test")
    with server_span(tracer, "request", outside_context(headers)) as span:
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        assert trace_id == TRACE.split("-")[1]
        found = causation()
        return (str(found) if found else None), inject(), inject_trace()


def test_a_cause_is_known_while_its_request_is_served() -> None:
    """Services hear of it, subscribers do not; what else was said is heard by nobody."""
    found, inside, announced = served(f"user=mary,causation-id={CAUSE};property=1")

    assert found == CAUSE
    assert inside["baggage"] == f"causation-id={CAUSE}"
    assert announced.keys() == {"traceparent"}
    assert causation() is None
    assert baggage.get_all() == {}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_whatever_else_is_said_is_no_cause(said: str) -> None:
    found, inside, _ = served(said)

    assert found is None
    assert "baggage" not in inside
