"""CrewAI flows as tools: the state's fields in, the last method's value and the state out."""

import asyncio
import contextlib
from importlib import import_module
from typing import Any

from .classify import classify
from .crew_run import CrewRun, carried
from .crew_schema import USAGE_KEYS
from .crew_source import own_doc
from .failures import HostError, TargetError
from .flow_people import feedback_question, give_feedback, install
from .flow_state import PendingFlow
from .plain import to_plain, to_text
from .run_record import question_key
from .targets import Target
from .tools import Completed, HostTool, Outcome, Paused, RunContext, tool_name

Json = dict[str, Any]


def flow_tool(flow_class: Any, target: Target) -> HostTool:
    """Wrap a flow's class.

    Raises:
        TargetError: `inputs` names what the state does not have.
    """

    async def call(arguments: Json, ctx: RunContext) -> Outcome:
        install(asyncio.get_running_loop())
        return await _run(flow_class, arguments, ctx)

    with contextlib.suppress(ImportError):
        import_module("lancedb")  # the first flow of a process imports it: seconds that no call should pay for
    return HostTool(
        name=target.name or tool_name(flow_class.__name__),
        kind="flow",
        description=target.description or own_doc(flow_class) or f"Runs the flow {flow_class.__name__}",
        input_schema=_input_schema(flow_class, target),
        output_schema={
            "type": "object",
            "properties": {
                "result": {"description": "What the last method returned"},
                "state": {"type": "object"},
                "usage": {"type": "object", "properties": {key: {"type": "integer"} for key in USAGE_KEYS}},
            },
            "required": ["result", "state", "usage"],
        },
        call=call,
    )


def _input_schema(flow_class: Any, target: Target) -> Json:
    """Take the state's model without its id; a state mixes arguments with working fields, so they may be named."""
    model: Any = getattr(flow_class, "_initial_state_t", None) or flow_class.model_fields["initial_state"].default
    overrides = target.schema or {}
    if (model is None) or not hasattr(model, "model_json_schema"):
        named: Json = {**{name: {} for name in target.inputs or ()}, **overrides}
        return {"type": "object", "properties": named, "additionalProperties": target.inputs is None}
    schema: Json = model.model_json_schema()
    known = {name: item for name, item in schema.get("properties", {}).items() if name != "id"}
    unknown = [name for name in target.inputs or () if name not in known]
    if unknown:
        message = f"the state of `{target.reference}` has no `{unknown[0]}`; it has: {', '.join(known)}"
        raise TargetError(target.reference, message)
    wanted = {name: item for name, item in known.items() if target.inputs is None or name in target.inputs}
    required = [name for name in schema.get("required", ()) if name in wanted]
    return {**schema, "properties": wanted | overrides, "required": required, "additionalProperties": False}


async def _run(flow_class: Any, arguments: Json, ctx: RunContext) -> Outcome:
    run = CrewRun(ctx)
    pending = PendingFlow(ctx.store)
    await pending.load()
    pause_class = import_module("crewai.flow.async_feedback.types").HumanFeedbackPending
    flow: Any = None
    with carried(run, _Progress(ctx, flow_class)):
        try:
            if pending.context is None:
                flow = flow_class(persistence=pending.persistence())
                result = await flow.kickoff_async(inputs={**arguments, "id": ctx.run_id})
            else:
                key = _key_of(ctx, pending.context)
                if key not in ctx.answers:
                    return Paused(questions={key: feedback_question(pending.context)})
                flow = flow_class.from_pending(ctx.run_id, pending.persistence())
                result = await flow.resume_async(give_feedback(flow.pending_feedback, ctx.answers[key]))
        except Exception as error:
            raise _translated(error, run) from error
    if isinstance(result, pause_class):
        await pending.save()
        return Paused(questions={_key_of(ctx, pending.context): feedback_question(pending.context)})
    plain = to_plain(result)
    structured = {"result": plain, "state": to_plain(flow.state), "usage": run.usage.to_plain()}
    return Completed(structured=structured, text=to_text(plain))


def _key_of(ctx: RunContext, context: Any) -> str:
    question = feedback_question(context)
    place = f"{context.method_name} {context.requested_at.isoformat()}"
    return question_key(ctx.run_id, place, question.message, question.schema)


def _translated(error: Exception, run: CrewRun) -> Exception:
    if run.failed is not None:
        return run.failed
    if run.ctx.stopped.is_set():
        return HostError("cancelled", "the call was cancelled")
    if type(error).__name__ == "ValidationError":
        return HostError("invalid_input", "the flow's state refuses these arguments")
    return classify(error) or error


class _Progress:
    """Tells each method of the flow that starts; crews inside of it are flows to crewai too."""

    def __init__(self, ctx: RunContext, flow_class: Any) -> None:
        self._ctx = ctx
        self._flow_class = flow_class
        self._started = 0

    def __call__(self, source: Any, event: Any) -> None:
        if getattr(event, "type", "") == "method_execution_started" and isinstance(source, self._flow_class):
            self._started += 1
            self._ctx.progress(self._started, None, f"step {event.method_name}")
