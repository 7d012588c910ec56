"""Runs and questions from the command line."""

from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from hub.questions import Questions
from hub.workflows import DaprAddress, DaprConnection, Runs, open_connection, open_worker
from tests.asked import asking_flows
from tests.cli.running import Ended, Folder
from tests.durable import flows
from tests.sidecar.processes import running_sidecar


class Terminal:
    """`hub` in a folder whose Dapr is the test's."""

    def __init__(self, folder: Folder, connection: DaprConnection) -> None:
        self._folder = folder
        self._port = str(connection.address.grpc_port)

    async def hub(self, *words: str) -> Ended:
        return await anyio.to_thread.run_sync(lambda: self._folder.run(*words, DAPR_GRPC_PORT=self._port))


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncGenerator[DaprConnection]:
    """A sidecar of its own, with a worker whose runs ask and wait."""
    with running_sidecar(tmp_path / "own.db") as sidecar:
        async with open_connection(DaprAddress(grpc_port=sidecar.api.grpc_port)) as connection:
            functions = asking_flows.build_functions(Questions(connection))
            functions.add(flows.chain)
            functions.add(flows.typed_event)
            async with open_worker(connection, functions):
                yield connection


@pytest.fixture
def terminal(tmp_path: Path, connection: DaprConnection) -> Terminal:
    folder = Folder(path=tmp_path)
    folder.write("hub.yaml", "servers: {}\n")
    return Terminal(folder, connection)


async def test_runs_are_listed_shown_waited_for_and_run_again(terminal: Terminal, connection: DaprConnection) -> None:
    runs = Runs(connection)
    await runs.run(flows.chain, {"x": 1}, run_id="r1", timeout_s=10)
    listed = await terminal.hub("runs", "--json", "--workflow", "chain", "--status", "completed")
    assert listed.code == 0, listed.err
    assert [(each["runId"], each["status"]) for each in listed.json()["runs"]] == [("r1", "completed")]
    shown = await terminal.hub("run", "show", "r1", "--json")
    assert (shown.json()["arguments"], shown.json()["result"]) == ({"x": 1}, {"r": 3})
    events = await terminal.hub("run", "events", "r1")
    assert "taskScheduled  r1/tests.durable.flows:add#1" in events.out
    again = await terminal.hub("run", "rerun", "r1", "--json")
    waited = await terminal.hub("run", "wait", str(again.json()["runId"]))
    assert waited.code == 0
    assert 'result    {"r": 3}' in waited.out


async def test_a_run_is_started_once_by_its_id_and_waited_for(terminal: Terminal, connection: DaprConnection) -> None:
    started = await terminal.hub("run", "start", "chain", "x=1", "--id", "s1")
    assert (started.code, started.out) == (0, "s1\n"), started.err
    again = await terminal.hub("run", "start", "chain", "--args", '{"x": 1}', "--id", "s1", "--wait", "--json")
    assert (again.code, again.json()["runId"], again.json()["result"]) == (0, "s1", {"r": 3})
    assert len(await Runs(connection).list(workflow="chain")) == 1
    failed = await terminal.hub("run", "start", "chain", "x=no-number", "--wait")
    assert failed.code == 1
    assert "failed" in failed.out
    unfit = await terminal.hub("run", "start", "chain", "x=1", "--id", "a/b")
    assert (unfit.code, unfit.out) != (0, "")
    assert "expected none of / \\ # ?" in unfit.err


async def test_an_event_is_sent_to_a_run(terminal: Terminal, connection: DaprConnection) -> None:
    runs = Runs(connection)
    await runs.start(flows.typed_event, run_id="s2")
    sent = await terminal.hub("run", "send", "s2", "paper", '{"title": "Cats", "year": 2020}')
    assert (sent.code, sent.out) == (0, ""), sent.err
    assert await runs.result("s2", timeout_s=10) == "Cats (2020)"
    wrong = await terminal.hub("run", "send", "s2", "paper", "{no json")
    assert "expected JSON" in wrong.err


async def test_a_run_is_paused_resumed_and_cancelled(terminal: Terminal, connection: DaprConnection) -> None:
    runs = Runs(connection)
    await runs.start(flows.typed_event, run_id="r2")
    for word, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        done = await terminal.hub("run", word, "r2")
        assert (done.code, done.out) == (0, ""), done.err
        assert (await runs.status("r2")).status == state
    waited = await terminal.hub("run", "wait", "r2")
    assert waited.code == 1
    assert "state     cancelled" in waited.out


async def test_a_question_is_listed_and_answered(terminal: Terminal, connection: DaprConnection) -> None:
    runs = Runs(connection)
    await runs.start(asking_flows.asks_name, run_id="r3")
    with anyio.fail_after(10):
        async for each in runs.events("r3"):
            if getattr(each, "asking", ()):
                break
    listed = await terminal.hub("questions", "list", "--json")
    question = listed.json()["questions"][0]
    assert (question["run_id"], question["params"]["message"]) == ("r3", "Who are you?")
    table = await terminal.hub("runs")
    assert "asks 1 (`hub questions list --run r3`)" in table.out
    wrong = await terminal.hub("questions", "answer", question["id"], "age=7")
    assert (wrong.code, wrong.err) == (5, 'hub: answer: content: "name" is a required property\n')
    stale = await terminal.hub("questions", "answer", question["id"], "--decline", "--digest", "0")
    assert stale.code == 1
    done = await terminal.hub("questions", "answer", question["id"], "name=Ann", "age=7")
    assert done.code == 0, done.err
    assert await runs.result("r3", timeout_s=10) == ["accept", True, {"name": "Ann", "age": 7}]


async def test_a_run_that_is_not_there_has_its_own_exit_code(terminal: Terminal) -> None:
    assert (await terminal.hub("run", "show", "nobody")).code == 4
    assert (await terminal.hub("questions", "answer", "nobody", "--accept")).code == 4
    assert (await terminal.hub("runs", "--status", "odd")).code == 2
