"""LangGraph graphs as tools: progress, interrupts, threads, a step limit, and a retry that goes on."""

import asyncio
import contextlib
import weakref
from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

from . import graph_schema
from .classify import classify
from .failures import HostError
from .forms import FREE_TEXT
from .graph_stop import model_stop
from .plain import as_object, to_plain, to_text
from .storage import PrefixStore
from .targets import Target
from .tools import Completed, HostTool, Outcome, Paused, Question, RunContext, tool_name

Json = dict[str, Any]

_RUN = "hub_run"
"""Metadata of a checkpoint: which call it belongs to, for calls that share a thread."""


def graph_tool(graph: Any, target: Target) -> HostTool:
    """Wrap a compiled graph."""
    adapter = _GraphAdapter(graph, target.step_limit)
    own_name = graph.get_name()
    name = target.name or tool_name(own_name if own_name != "LangGraph" else target.reference.rpartition(":")[2])
    return HostTool(
        name=name,
        kind="graph",
        description=target.description or f"Runs the graph {name}: {', then '.join(_nodes(graph))}",
        input_schema=graph_schema.input_schema(graph),
        output_schema=graph_schema.output_schema(graph),
        context_schema=graph_schema.context_schema(graph),
        call=adapter.call,
    )


def _nodes(graph: Any) -> list[str]:
    return [str(node) for node in graph.nodes if not str(node).startswith("__")]


class _GraphAdapter:
    def __init__(self, graph: Any, step_limit: int) -> None:
        self._graph = graph
        self._step_limit = step_limit
        self._own_saver = graph.checkpointer in (None, False)
        self._wraps_result = graph_schema.wraps_result(graph)
        self._wraps_input = graph_schema.wraps_input(graph)
        self._threads: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def call(self, arguments: Json, ctx: RunContext) -> Outcome:
        """Run one call; calls on one thread follow each other."""
        if ctx.thread is None:
            return await self._run(arguments, ctx)
        async with self._threads.setdefault(ctx.thread, asyncio.Lock()):
            return await self._run(arguments, ctx)

    async def _run(self, arguments: Json, ctx: RunContext) -> Outcome:
        graph = self._graph
        if self._own_saver:
            from .saver import StoreSaver

            store = ctx.tool_store if ctx.thread is not None else ctx.store
            saver = StoreSaver(PrefixStore(store, "graph/"), exclusive=True)
            graph = graph.copy(update={"checkpointer": saver})
        config: Json = {
            "recursion_limit": self._step_limit,
            "configurable": {"thread_id": ctx.thread or ctx.run_id, "__pregel_strict_resume": True},
            "callbacks": [model_stop(ctx.stopped)],
        }
        given: Any = arguments["input"] if self._wraps_input else dict(arguments)
        if ctx.keyed or ctx.thread is not None or ctx.answers:
            state = await graph.aget_state(config)
            if as_object(state.metadata).get(_RUN) == ctx.run_id:
                pending = {item.id: item for item in state.interrupts}
                answers = {key: ctx.answers[key] for key in pending if key in ctx.answers}
                if pending and not answers:
                    return Paused(questions=_questions(pending.values()))
                if not state.next:
                    return self._completed(self._outputs(graph, state.values), ctx)
                given = _resume(answers) if answers else None
            elif ctx.answers:
                raise HostError("stale_answer", "the thread has gone on; that question is not open any more")
        config["metadata"] = {_RUN: ctx.run_id}
        return await self._follow(graph, given, config, ctx)

    async def _follow(self, graph: Any, given: Any, config: Json, ctx: RunContext) -> Outcome:
        runtime = import_module("langgraph.runtime")
        control = runtime.RunControl()
        value: Any = None
        asks = bool(ctx.answers)
        progress = _Progress(ctx)
        durable = ctx.keyed or ctx.thread is not None
        with ctx.draining.told(control.request_drain) if durable else contextlib.nullcontext():
            try:
                async for part in graph.astream(
                    given,
                    config,
                    context=ctx.context,
                    stream_mode=["values", "tasks", "custom"],
                    version="v2",
                    output_keys=graph.output_channels,
                    durability="sync" if durable else "exit",
                    control=control,
                ):
                    if part["type"] == "values":
                        value = part["data"]
                        asks = asks or bool(part.get("interrupts"))
                    else:
                        progress.take(part["type"], part["data"])
            except Exception as error:
                raise self._translated(error, ctx) from error
        if asks:  # branches ask one by one in the stream, and one that was asked before is silent: the state knows all
            pending = (await graph.aget_state(config)).interrupts
            if pending:
                return Paused(questions=_questions(pending))
        return self._completed(value, ctx)

    def _translated(self, error: Exception, ctx: RunContext) -> Exception:
        if ctx.stopped.is_set():
            return HostError("cancelled", "the call was cancelled")
        match type(error).__name__:
            case "GraphRecursionError":
                return HostError("step_limit", f"the graph did not end within {self._step_limit} steps")
            case "EmptyInputError" | "InvalidUpdateError":
                return HostError("invalid_input", "the graph can't start from these arguments")
            case "UnknownInterruptError":
                return HostError("stale_answer", "that question is not open any more")
            case "GraphDrained":
                return HostError("unavailable", "the host is stopping; the same call goes on when it is back")
            case "NodeTimeoutError":
                return HostError("timeout", "a node took longer than its limit")
            case _:
                return classify(error) or error

    def _outputs(self, graph: Any, values: Json) -> Any:
        channels = graph.output_channels
        if isinstance(channels, str):
            return values.get(channels)
        return {key: values[key] for key in channels if key in values}

    def _completed(self, value: Any, ctx: RunContext) -> Completed:
        meta = {"hub/thread": ctx.thread or ctx.run_id}
        if self._wraps_result:
            plain = to_plain(value)
            return Completed(structured={"result": plain}, text=to_text(plain), meta=meta)
        fields = _fields(value)
        structured: Json = {}
        text: str | None = None
        for key, item in fields.items():
            if _are_messages(item):
                structured[key] = graph_schema.to_messages(item)
                text = graph_schema.message_text(item[-1])
            else:
                structured[key] = to_plain(item)
        return Completed(structured=structured, text=text if text is not None else to_text(structured), meta=meta)


def _fields(value: Any) -> Json:
    """Give a state's fields: it is a dictionary, or an object of a class of the user's."""
    return as_object(value) or dict(getattr(value, "__dict__", {}))


def _are_messages(value: Any) -> bool:
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return bool(items) and all(hasattr(item, "content") and hasattr(item, "type") for item in items)


def _resume(answers: Json) -> Any:
    command = import_module("langgraph.types").Command
    return command(resume={key: {"action": "decline"} if item is None else item for key, item in answers.items()})


def _questions(interrupts: Iterable[Any]) -> dict[str, Question]:
    """Make questions of interrupts: their own schema, one in their value, or free text."""
    found: dict[str, Question] = {}
    for interrupt in interrupts:
        value = interrupt.value
        told = as_object(to_plain(value))
        schema = as_object(getattr(interrupt, "response_schema", None)) or as_object(told.get("schema"))
        message = str(told.get("question") or told.get("message") or to_text(value))
        found[interrupt.id] = Question(message=message, schema=schema or FREE_TEXT)
    return found


class _Progress:
    """Turns the stream into progress: one for each node that starts, and parts of one for what a node tells."""

    def __init__(self, ctx: RunContext) -> None:
        self._report = ctx.progress
        self._steps = 0
        self._part = 0.0

    def take(self, kind: str, data: Any) -> None:
        if kind == "tasks" and "triggers" in data:
            self._steps += 1
            self._part = 0.0
            self._report(self._steps, None, f"node {data['name']}")
        elif kind == "custom":
            self._part += (1 - self._part) / 8
            told = as_object(data)
            done, total = told.get("progress"), told.get("total")
            if isinstance(done, (int, float)) and isinstance(total, (int, float)) and total > 0:
                self._part = min(done / (total + 1), 0.99)
            self._report(self._steps + self._part, None, str(told.get("message", "")) if told else str(data))
