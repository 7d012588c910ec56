"""CrewAI crews as tools: sequential and hierarchical."""

import asyncio
import re
from importlib import import_module
from typing import Any

from .classify import classify
from .crew_journal import CrewJournal
from .crew_memory import own_memory
from .crew_run import CrewRun, carried
from .crew_schema import input_schema, output_schema
from .crew_source import CrewSource
from .failures import HostError
from .plain import to_plain, to_text
from .targets import Target
from .tools import Completed, HostTool, Outcome, RunContext

Json = dict[str, Any]


class _NoTaskLog:
    """Stands in for crewai's file of the last kickoff's outputs, which all crews of a process share."""

    def reset(self) -> None: ...

    def add(self, *_: Any, **__: Any) -> None: ...

    def update(self, *_: Any, **__: Any) -> None: ...

    def load(self) -> list[Any]:
        return []


def crew_tool(source: CrewSource, target: Target) -> HostTool:
    """Wrap a crew; one is built to be looked at."""
    sample = source.build()
    defaults = {**source.defaults, **(target.defaults or {})}
    steps = ", then ".join(str(task.name or task.description).strip().splitlines()[0][:60] for task in sample.tasks)

    async def call(arguments: Json, ctx: RunContext) -> Outcome:
        crew = await asyncio.to_thread(source.build)
        crew._task_output_handler = _NoTaskLog()
        crew.stream = False
        with own_memory(crew, ctx):
            return await _kickoff(crew, {**defaults, **arguments}, ctx)

    return HostTool(
        name=target.name or source.name,
        kind="crew",
        description=target.description or source.description or f"Runs a crew: {steps}",
        input_schema=input_schema(sample, defaults, target.schema or {}),
        output_schema=output_schema(sample),
        call=call,
    )


async def _kickoff(crew: Any, inputs: Json, ctx: RunContext) -> Completed:
    run = CrewRun(ctx)
    journal = CrewJournal(ctx, crew)
    finished = await journal.restore(run)
    run.tasks = {id(task): place for place, task in enumerate(crew.tasks)}
    last = len(crew.tasks) - 1

    async def task_done(place: int, output: Any) -> None:
        await journal.write(run, place, output)
        if ctx.draining.is_set() and place != last and ctx.keyed:
            raise HostError("unavailable", "the host is stopping; the same call goes on when it is back")

    run.task_done = task_done
    with carried(run, _Progress(ctx, finished, len(crew.tasks))):
        try:
            # not kickoff_async: a thread around kickoff that runs on when it is cancelled
            result = await crew.akickoff(inputs=inputs)
        except Exception as error:
            raise _translated(error, run) from error
    return _completed(result, run)


def _translated(error: Exception, run: CrewRun) -> Exception:
    if run.failed is not None:
        return run.failed
    if run.ctx.stopped.is_set():
        return HostError("cancelled", "the call was cancelled")
    text = str(error)
    if isinstance(error, (ValueError, KeyError)) and "emplate variable" in text:
        named = re.search(r"[Tt]emplate variable '([A-Za-z_][A-Za-z0-9_\-]*)'", text)
        which = f" `{named[1]}`" if named else ""
        return HostError("invalid_input", f"no argument fills the template variable{which}")
    if type(error) is Exception and "guardrail" in text:
        return HostError("guardrail", "a task's output was refused by its guardrail, again and again")
    return classify(error) or error


def _completed(result: Any, run: CrewRun) -> Completed:
    output_class = import_module("crewai.crews.crew_output").CrewOutput
    if not isinstance(result, output_class):  # an after-kickoff hook gave something of its own
        plain = to_plain(result)
        structured: Json = {"result": plain, "tasks": [], "usage": run.usage.to_plain(), "tool_failures": []}
        return Completed(structured=structured, text=to_text(plain))
    crew_output: Any = result
    value = to_plain(crew_output.pydantic) if crew_output.pydantic is not None else crew_output.json_dict
    structured = {
        "result": crew_output.raw if value is None else to_plain(value),
        "tasks": [
            {"name": task.name, "agent": (task.agent or "").strip(), "output": task.raw}
            for task in crew_output.tasks_output
        ],
        "usage": run.usage.to_plain(),
        "tool_failures": [to_plain(failure) for task in crew_output.tasks_output for failure in task.tool_failures],
    }
    return Completed(structured=structured, text=crew_output.raw)


class _Progress:
    """Turns a crew's events into progress: finished tasks of all tasks, and a little for each tool in between."""

    def __init__(self, ctx: RunContext, finished: int, total: int) -> None:
        self._ctx = ctx
        self._done = finished
        self._total = total
        self._part = 0.0

    def __call__(self, _source: Any, event: Any) -> None:
        match getattr(event, "type", ""):
            case "task_started":
                self._part = 0.1
                self._tell(f"task {self._done + 1} of {self._total}: {event.task_name or 'started'}")
            case "tool_usage_started":
                self._part += (1 - self._part) / 4
                self._tell(f"{(event.agent_role or 'agent').strip()} uses {event.tool_name}")
            case "task_completed":
                self._done += 1
                self._part = 0.0
                self._tell(f"task {self._done} of {self._total} done")
            case _:
                pass

    def _tell(self, message: str) -> None:
        self._ctx.progress(min(self._done + self._part, self._total), self._total, message)
