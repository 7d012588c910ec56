"""The trace that a run belongs to: it comes with the caller, stands in the run's meta, and goes on with what it does.

Source: W3C Trace Context, sections 3.2 and 3.3; MCP 2026-07-28, `_meta` keys of trace context.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from hub.workflows.sdk import StringValue, orchestration_pb

_PARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_STATE: Final = 512


def trace_in(values: Mapping[str, Any]) -> dict[str, str]:
    """The trace among some values: `{traceparent, tracestate}`, the second where there is one; else nothing.

    What is not of the form is left out: a caller's mistake there is no reason to refuse the call.
    """
    parent, state = values.get("traceparent"), values.get("tracestate")
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return {}
    if isinstance(state, str) and 0 < len(state) <= _LONGEST_STATE:
        return {"traceparent": parent, "tracestate": state}
    return {"traceparent": parent}


def to_trace_context(trace: Mapping[str, str]) -> orchestration_pb.TraceContext:
    """The trace as Dapr takes it with a new run."""
    parent = trace["traceparent"]
    context = orchestration_pb.TraceContext(traceParent=parent, spanID=parent.split("-")[2])
    if "tracestate" in trace:
        context.traceState.CopyFrom(StringValue(value=trace["tracestate"]))
    return context


def as_event_attributes(trace: Mapping[str, str]) -> dict[str, str]:
    """The trace as attributes of a CloudEvent.

    Source: CloudEvents 1.0, Distributed Tracing extension; Dapr keeps a `traceparent` only beside its own `traceid`.
    """
    return {**trace, "traceid": trace["traceparent"]} if trace else {}
