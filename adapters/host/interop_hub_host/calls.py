"""One `tools/call`, whatever carries it: from its parameters to a run, and to the result that the caller reads."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from . import protocol
from .failures import HostError, RpcError
from .runs import Asking, CallRequest
from .tools import HostTool, Progress
from .validation import find_problem

Json = dict[str, Any]

logger = logging.getLogger("interop_hub_host")


async def answer_call(
    tools: Mapping[str, HostTool],
    params: Json,
    envelope: protocol.Envelope,
    progress: Progress,
    run: Callable[[CallRequest], Awaitable[Json]],
) -> Json:
    """Answer one call; what goes wrong in the run is a result too.

    Args:
        run: takes the call to its end or to its questions.

    Raises:
        RpcError: there is no such tool, or the client lacks what it needs.
    """
    tool = tools.get(str(params.get("name")))
    if tool is None:
        raise RpcError(protocol.INVALID_PARAMS, f"Unknown tool: {str(params.get('name'))[:100]}")
    run_id: str | None = None
    try:
        request = _request_of(tool, params, envelope, progress)
        run_id = request.run_id
        return await run(request)
    except HostError as error:
        return protocol.refused(error, run_id)
    except RpcError:
        raise
    except Exception as error:
        logger.exception("run %s of %s failed", run_id, tool.name)
        return protocol.failed("internal", f"{type(error).__name__} (run {run_id or 'without a key'})", False, run_id)


def _request_of(tool: HostTool, params: Json, envelope: protocol.Envelope, progress: Progress) -> CallRequest:
    arguments: Any = params.get("arguments") or {}
    problem = find_problem(arguments, tool.input_schema)
    if problem is not None:
        raise HostError("invalid_input", problem)
    context = envelope.meta.get("hub/context")
    if context is not None:
        problem = find_problem(context, tool.context_schema if tool.context_schema is not None else False)
        if problem is not None:
            raise HostError("invalid_input", f"context: {problem}")
    run_id = envelope.text("hub/idempotencyKey")
    state = params.get("requestState")
    if isinstance(state, str):
        resumed = _run_of(state, tool.name)
        if run_id is not None and run_id != resumed:
            raise HostError("stale_answer", "the request state belongs to another call")
        run_id = resumed
    responses = params.get("inputResponses")
    return CallRequest(
        tool=tool,
        arguments=arguments,
        run_id=run_id,
        thread=envelope.text("hub/thread"),
        context=context,
        responses=cast("Json", responses) if isinstance(responses, dict) else {},
        progress=progress,
    )


def input_required(request: CallRequest, step: Asking, envelope: protocol.Envelope) -> Json:
    """Give the questions to a client of the modern era, which comes back with the answers.

    Raises:
        RpcError: it said that it can't answer any.

    Source: MCP 2026-07-28, basic/patterns/mrtr.
    """
    if not envelope.can_answer:
        data: Json = {"requiredCapabilities": {"elicitation": {"form": {}}}}
        raise RpcError(protocol.MISSING_CLIENT_CAPABILITY, "The tool asks a question", data)
    state = json.dumps({"tool": request.tool.name, "run": step.run_id})
    return {"resultType": "input_required", "inputRequests": protocol.elicitations(step), "requestState": state}


def rising(tell: Callable[[Json], None]) -> Progress:
    """Make a report of progress of each step forward: `progress`, `message`, `total` if there is one."""
    last = -1.0

    def report(done: float, total: float | None, message: str) -> None:
        nonlocal last
        if done <= last:
            return
        last = done
        told: Json = {"progress": done, "message": message}
        tell(told if total is None else {**told, "total": total})

    return report


def _run_of(state: str, tool_name: str) -> str:
    """Read our own request state.

    The way to the client is private to one, which seals what it shows to others; what comes back is checked for its
    shape.
    """
    try:
        data: Any = json.loads(state)
        if data["tool"] == tool_name and isinstance(data["run"], str):
            return data["run"]
    except (ValueError, TypeError, KeyError):
        pass
    raise HostError("stale_answer", "the request state belongs to another call")
