"""A worker in a process of its own, which writes each effect into a ledger before it answers.

Usage: python -m tests.sidecar.worker_program HOST PORT LEDGER
"""

import os
import sys
import threading
import time
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import dapr.ext.workflow as wf

STEPS = 4


def run_worker(host: str, port: str, ledger_path: str) -> None:
    ledger = os.open(ledger_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def record(ctx: Any, number: int) -> int:
        os.write(ledger, f"{ctx.workflow_id} {number} {os.getpid()}\n".encode())
        return number

    def slow(ctx: Any, number: int) -> int:
        os.write(ledger, f"{ctx.workflow_id} {number} {os.getpid()}\n".encode())
        time.sleep(0.3)
        return number

    def slow_once(ctx: Any, number: int) -> int:
        """The second is still at work when its process is ended; whoever has it next is quick."""
        is_first = number == 1
        if number == 1:
            try:
                os.close(os.open(f"{ledger_path}.{ctx.workflow_id}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                is_first = False
        record(ctx, number)
        if is_first:
            threading.Event().wait(600)
        return number

    def hang(ctx: Any, _number: int) -> None:
        os.write(ledger, f"{ctx.workflow_id} hang {os.getpid()}\n".encode())
        threading.Event().wait(60)

    def steps_and_timer(ctx: Any) -> Generator[Any, Any, int]:
        total = 0
        for number in range(STEPS):
            total += yield ctx.call_activity("record", input=number)
        yield ctx.create_timer(timedelta(seconds=0.05))
        return total

    def mixed(ctx: Any, _input: None) -> Generator[Any, Any, int]:
        """Steps, a timer, a child and an event."""
        total = yield from steps_and_timer(ctx)
        total += yield ctx.call_child_workflow("child", input=STEPS)
        return total + (yield ctx.wait_for_external_event("go"))

    def childless(ctx: Any, _input: None) -> Generator[Any, Any, int]:
        """Steps, a timer and an event."""
        total = yield from steps_and_timer(ctx)
        return total + (yield ctx.wait_for_external_event("go"))

    def child(ctx: Any, number: int) -> Generator[Any, Any, int]:
        return (yield ctx.call_activity("record", input=number))

    def slow_steps(ctx: Any, _input: None) -> Generator[Any, Any, int]:
        total = 0
        for number in range(STEPS):
            total += yield ctx.call_activity("slow", input=number)
        return total

    def slow_once_steps(ctx: Any, _input: None) -> Generator[Any, Any, int]:
        total = 0
        for number in range(STEPS):
            total += yield ctx.call_activity("slow_once", input=number)
        return total

    def hanging(ctx: Any, _input: None) -> Generator[Any, Any, str]:
        yield ctx.call_activity("hang", input=0)
        return "done"

    runtime: Any = wf.WorkflowRuntime(host=host, port=port)
    for activity in (record, slow, slow_once, hang):
        runtime.register_activity(activity, name=activity.__name__)
    for workflow in (mixed, childless, child, slow_steps, slow_once_steps, hanging):
        runtime.register_workflow(workflow, name=workflow.__name__)
    runtime.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    run_worker(*sys.argv[1:])
