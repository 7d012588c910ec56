"""A durable function on Dapr's generator workflows: one generator a turn, one yield a wait."""

import logging
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, cast

from hub.errors import InvalidInputError
from hub.workflows.context import ENVELOPE, Context
from hub.workflows.errors import NotDurableError
from hub.workflows.failure import Failure
from hub.workflows.guard import no_event_loop
from hub.workflows.primitives import watch_primitives
from hub.workflows.scheduler import Restart, Scheduler
from hub.workflows.values import DEFAULT_MAX_PAYLOAD_BYTES, to_json_text

if TYPE_CHECKING:
    from hub.workflows.sdk import Inbox, TurnContext
    from hub.workflows.steps import Steps
    from hub.workflows.workflow import Workflow

_log = logging.getLogger(__name__)


class Driver:
    """Makes Dapr workflows out of durable functions.

    Args:
        keeps_turns: whether `close_turns` is called after each turn; else what a turn leaves open ends with it.
    """

    def __init__(
        self, steps: "Steps", *, max_payload_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES, keeps_turns: bool = True
    ) -> None:
        watch_primitives()
        self._steps = steps
        self._keeps_turns = keeps_turns
        self._max_payload_bytes = max_payload_bytes
        self._open: list[_Turn] = []

    def to_generator_workflow(
        self, workflow: "Workflow[..., Any]"
    ) -> "Callable[[TurnContext, Any], Generator[Inbox, Any, Any]]":
        """The durable function as the SDK's workers take it."""

        def run(turn: "TurnContext", given: Any = None) -> "Generator[Inbox, Any, Any]":
            played = _Turn(workflow, turn, given, self._steps, self._max_payload_bytes)
            if self._keeps_turns:
                self._open.append(played)
            return played.play()

        run.__name__ = workflow.name
        return run

    def close_turns(self) -> None:
        """End what the turn so far has left open; the next turn replays it."""
        turns, self._open = self._open, []
        for turn in turns:
            turn.close()


class _Turn:
    """One pass of a durable function over its history."""

    def __init__(
        self, workflow: "Workflow[..., Any]", turn: "TurnContext", given: Any, steps: "Steps", max_payload_bytes: int
    ) -> None:
        self._workflow = workflow
        self._turn = turn
        self._given: Any = given
        self._steps = steps
        self._max_payload_bytes = max_payload_bytes
        self._scheduler = Scheduler(workflow.name)
        self._context: Context | None = None

    def play(self) -> "Generator[Inbox, Any, Any]":
        try:
            return (yield from self._play())
        except Exception as error:
            if not self._turn.is_replaying:
                _log.info("run %s of %s fails", self._turn.instance_id, self._workflow.label, exc_info=error)
            raise Failure.of(error).to_exception() from error
        finally:
            self.close()

    def _play(self) -> "Generator[Inbox, Any, Any]":
        workflow, scheduler = self._workflow, self._scheduler
        if not isinstance(self._given, dict | None):
            raise InvalidInputError(f"workflow {workflow.label}: expected an object of arguments by name")
        arguments = dict(cast("dict[str, Any]", self._given or {}))
        envelope = cast("dict[str, Any]", arguments.pop(ENVELOPE, None) or {})
        args, kwargs = workflow.signature.load(arguments)
        context = self._context = Context(
            self._turn, scheduler, self._steps, envelope=envelope, max_payload_bytes=self._max_payload_bytes
        )
        with no_event_loop(workflow.name):
            context.enter()
            main = scheduler.start(workflow.fn(context, *args, **kwargs), workflow.label)
            scheduler.run_ready()
            context.leave()
        while True:
            context.settle_shown()
            if main.done:
                break
            if scheduler.waits_for_nothing:
                raise NotDurableError(f"durable function {workflow.name!r} waits for something that can never come")
            yield scheduler.inbox
            with no_event_loop(workflow.name):
                context.enter()
                scheduler.run_ready()
                context.leave()
        error = main.error()
        if isinstance(error, Restart):
            restart = workflow.signature.dump(error.arguments["args"], error.arguments["kwargs"])
            self._turn.continue_as_new({**restart, ENVELOPE: context.next_envelope()}, save_events=True)
            return None
        result = workflow.signature.dump_result(main.result())
        to_json_text(result, f"the result of workflow {workflow.label}", self._max_payload_bytes)
        return result

    def close(self) -> None:
        if self._context is not None:
            self._context.close()
