"""One call to its end: its questions are answered, its task is waited for."""

from typing import Protocol, cast

import anyio

from hub.catalog.provider import Answer, Json, Outcome, Questions, TaskVerb
from hub.cli.asking import Asker
from hub.cli.output import clean
from hub.cli.terminal import Terminal
from hub.errors import CallCancelledError, RefusedError, RemoteError

_MAX_ROUNDS = 100
_POLL_S = 0.5
_LONGEST_POLL_S = 10.0
_CANCEL_S = 3.0


class Callee(Protocol):
    """What of the catalogue a call needs."""

    async def call_tool(self, params: Json, caller: Terminal) -> Outcome: ...

    async def task(self, verb: TaskVerb, params: Json, caller: Terminal) -> Json: ...


async def run_to_end(catalog: Callee, params: Json, terminal: Terminal, asker: Asker) -> Json:
    """Call a tool and give its result.

    Raises:
        HubError: it did not come to an answer.

    Source: MCP 2026-07-28, basic/patterns/mrtr; extension io.modelcontextprotocol/tasks.
    """
    request = dict(params)
    for _ in range(_MAX_ROUNDS):
        outcome = await catalog.call_tool(request, terminal)
        terminal.erase()
        if isinstance(outcome, Answer):
            return outcome.body
        if not isinstance(outcome, Questions):
            return await _wait_for(catalog, outcome.body, terminal, asker)
        request = {**params, "inputResponses": await _answers(outcome.body, asker)}
        if "requestState" in outcome.body:
            request["requestState"] = outcome.body["requestState"]
    raise RefusedError(f"the tool asked {_MAX_ROUNDS} times and gave no answer; it was left")


async def _answers(body: Json, asker: Asker) -> Json:
    requests = cast("dict[str, Json]", body.get("inputRequests") or {})
    return {
        key: await asker.answer(str(request.get("method")), cast("Json", request.get("params") or {}))
        for key, request in requests.items()
    }


async def _wait_for(catalog: Callee, task: Json, terminal: Terminal, asker: Asker) -> Json:
    task_id = str(task["taskId"])
    answered: set[str] = set()
    try:
        while True:
            match task.get("status"):
                case "completed":
                    terminal.erase()
                    return cast("Json", task.get("result") or {})
                case "failed":
                    error = cast("Json", task.get("error") or {})
                    raise RemoteError(int(error.get("code", -32603)), clean(str(error.get("message", "it failed"))))
                case "cancelled":
                    raise CallCancelledError("the task was cancelled by somebody else")
                case "input_required":
                    await _update(catalog, task_id, task, answered, terminal, asker)
                case _:
                    terminal.draw(clean(str(task.get("statusMessage") or f"task {task_id} is working")))
            poll_s = float(task.get("pollIntervalMs") or _POLL_S * 1000) / 1000
            await anyio.sleep(min(max(poll_s, 0.05), _LONGEST_POLL_S))
            task = await catalog.task("get", {"taskId": task_id}, terminal)
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(_CANCEL_S, shield=True):
            await catalog.task("cancel", {"taskId": task_id}, terminal)
        raise


async def _update(
    catalog: Callee, task_id: str, task: Json, answered: set[str], terminal: Terminal, asker: Asker
) -> None:
    requests = cast("Json", task.get("inputRequests") or {})
    open_ones = {key: value for key, value in requests.items() if key not in answered}
    if not open_ones:
        return
    terminal.erase()
    responses = await _answers({"inputRequests": open_ones}, asker)
    await catalog.task("update", {"taskId": task_id, "inputResponses": responses}, terminal)
    answered.update(open_ones)
