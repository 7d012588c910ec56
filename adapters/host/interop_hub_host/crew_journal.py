"""The journal of a crew's run: each finished task's output, so that a repeated call begins at the first unfinished one.

CrewAI's own checkpoints fail as soon as an agent has a tool.
"""

import json
from importlib import import_module
from typing import Any, cast

from .crew_run import CrewRun
from .plain import to_plain
from .tools import RunContext

Json = dict[str, Any]


class CrewJournal:
    """One run's finished tasks."""

    def __init__(self, ctx: RunContext, crew: Any) -> None:
        self._store = ctx.store
        self._tasks = crew.tasks
        self._crew = crew
        self._written: set[int] = set()

    async def restore(self, run: CrewRun) -> int:
        """Give back the outputs of the tasks that an earlier try finished.

        Returns:
            How many of them.
        """
        output_class = import_module("crewai.tasks.task_output").TaskOutput
        usage: dict[str, int] = run.usage.to_plain()
        for place, task in enumerate(self._tasks):
            text = await self._store.get(f"task/{place}")
            if text is None:
                break
            entry = cast("Json", json.loads(text))
            saved = entry["output"]
            model = task.output_pydantic
            if saved["pydantic"] is not None:
                saved["pydantic"] = model.model_validate(saved["pydantic"]) if model is not None else None
            task.output = output_class(**saved)
            self._written.add(place)
            # each entry tells the run's usage up to it; tasks at the same time may end in another order
            usage = max(usage, entry["usage"], key=lambda counts: counts["successful_requests"])
        if self._written:
            run.usage.add(usage)
            self._crew.checkpoint_kickoff_event_id = run.ctx.run_id
        return len(self._written)

    async def write(self, run: CrewRun, place: int, output: Any) -> None:
        """Store one task's output; a conditional task before it that was skipped is stored with it."""
        usage = run.usage.to_plain()
        entries = {place: output}
        for earlier in range(place):
            task = self._tasks[earlier]
            if earlier not in self._written and hasattr(task, "condition") and task.output is None:
                entries[earlier] = task.get_skipped_task_output()
        await self._store.put(
            {f"task/{key}": json.dumps({"output": _saved(item), "usage": usage}) for key, item in entries.items()}
        )
        self._written.update(entries)


def _saved(output: Any) -> Json:
    return {
        "description": output.description,
        "name": output.name,
        "expected_output": output.expected_output,
        "raw": output.raw,
        "pydantic": to_plain(output.pydantic),
        "json_dict": to_plain(output.json_dict),
        "agent": output.agent,
        "output_format": output.output_format.value,
        "tool_failures": to_plain(output.tool_failures),
    }
