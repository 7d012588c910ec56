"""What most scenarios do with the SDK's workflow client."""

import contextlib
import functools
import json
import time
import uuid
from collections.abc import Callable, Generator
from typing import Any

import dapr.ext.workflow as wf
import grpc

from tests.sidecar.processes import DaprApi, connected_workers

TIMEOUT_S = 20


def new_id() -> str:
    return uuid.uuid4().hex


def output_of(state: wf.WorkflowState) -> Any:
    return json.loads(state.serialized_output) if state.serialized_output else None


def wait_until(is_reached: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Ask a process again and again until it shows something."""
    deadline = time.monotonic() + timeout_s
    while not is_reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not reached: {what}")
        time.sleep(0.01)


def wait_for_workers(api: DaprApi, count: int) -> None:
    """Wait until the sidecar has so many workers: the SDK says that it has started before it is connected."""
    wait_until(lambda: connected_workers(api) == count, f"{count} workers are connected")


TORN_READ = "missing from state store"
"""What Dapr says when it is asked about a run between two of its own writes; the next look is well."""

NO_WORKER = r"did not find address for actor|actor type dapr\.internal\.\S+ not registered"
"""How Dapr refuses an event, a pause or an end without a worker; the second while it takes leave of the last one."""


class PatientClient:
    """The SDK's client, asked again where Dapr read what it was just writing."""

    def __init__(self, client: wf.DaprWorkflowClient) -> None:
        self._client: Any = client

    def __getattr__(self, name: str) -> Any:
        method: Any = getattr(self._client, name)
        return functools.partial(_asked_again, method) if callable(method) else method


def _asked_again(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return method(*args, **kwargs)
        except grpc.RpcError as error:
            if TORN_READ not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextlib.contextmanager
def open_scenario(host: str, grpc_port: int) -> "Generator[Scenario]":
    """With a client of its own."""
    client = wf.DaprWorkflowClient(host=host, port=str(grpc_port))
    try:
        yield Scenario(client)
    finally:
        client.close()


class Scenario:
    """Starts runs and looks at them."""

    def __init__(self, client: wf.DaprWorkflowClient) -> None:
        self.client: Any = PatientClient(client)  # its generics are only half typed

    def start(self, name: str, value: Any = None, run_id: str | None = None) -> str:
        return self.client.schedule_new_workflow(name, input=value, instance_id=run_id or new_id())

    def start_and_wait_for_start(self, name: str, value: Any = None, run_id: str | None = None) -> str:
        run_id = self.start(name, value, run_id)
        self.client.wait_for_workflow_start(run_id, timeout_in_seconds=TIMEOUT_S)
        return run_id

    def finish(self, run_id: str, timeout_s: int = TIMEOUT_S) -> wf.WorkflowState:
        state = self.client.wait_for_workflow_completion(run_id, timeout_in_seconds=timeout_s)
        assert state is not None
        return state

    def run(self, name: str, value: Any = None, run_id: str | None = None) -> wf.WorkflowState:
        return self.finish(self.start(name, value, run_id))

    def output(self, name: str, value: Any = None, run_id: str | None = None) -> Any:
        return output_of(self.run(name, value, run_id))

    def state(self, run_id: str) -> wf.WorkflowState:
        state = self.client.get_workflow_state(run_id)
        assert state is not None
        return state

    def status(self, run_id: str) -> wf.WorkflowStatus:
        return self.state(run_id).runtime_status

    def wait_until_there(self, run_id: str) -> None:
        """Wait until a run that somebody else starts, or that a restart brings back, can be read."""

        def is_there() -> bool:
            try:
                return self.client.get_workflow_state(run_id) is not None
            except grpc.RpcError:  # Dapr on Redis may be asked between two of its own writes
                return False

        wait_until(is_there, f"{run_id} is there")

    def wait_for_status(self, run_id: str, status: wf.WorkflowStatus) -> None:
        wait_until(lambda: self.status(run_id) == status, f"{run_id} is {status}")

    def event_types(self, run_id: str) -> list[str]:
        return [event.event_type.name for event in self.client.get_workflow_history(run_id)]
