"""Where the host keeps what it must keep."""

import stat
from pathlib import Path

import pytest

from adapters.host.interop_hub_host.storage import DeferredStore, MemoryStore, PrefixStore, SqliteStore, Store
from tests.host.model_server import ModelServer
from tests.host.raw_host import HostCommand, Json, RawHost


@pytest.fixture(params=["memory", "sqlite", "prefix", "released"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    match request.param:
        case "sqlite":
            return SqliteStore(tmp_path / "state" / "host.sqlite3")
        case "prefix":
            return PrefixStore(MemoryStore(), "mine/")
        case "released":
            deferred = DeferredStore(MemoryStore())
            await deferred.release()
            return deferred
        case _:
            return MemoryStore()


async def test_what_was_put_is_there_until_it_is_deleted(store: Store) -> None:
    await store.put({"a": "1", "b": "ü"})
    await store.put({"a": "2"})
    assert [await store.get(key) for key in ("a", "b", "c")] == ["2", "ü", None]
    await store.delete(["a", "c"])
    assert [await store.get(key) for key in ("a", "b")] == [None, "ü"]


async def test_a_part_of_a_store_sees_nothing_of_the_others() -> None:
    whole = MemoryStore()
    await PrefixStore(whole, "mine/").put({"a": "1"})
    assert await PrefixStore(whole, "yours/").get("a") is None
    assert await whole.get("mine/a") == "1"


async def test_writes_are_held_back_until_somebody_can_come_back_for_them() -> None:
    kept = MemoryStore()
    deferred = DeferredStore(kept)
    await deferred.put({"a": "1", "b": "2"})
    await deferred.delete(["b"])
    assert (await deferred.get("a"), await kept.get("a")) == ("1", None)
    await deferred.release()
    assert (await kept.get("a"), await kept.get("b")) == ("1", None)


async def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "host.sqlite3"
    SqliteStore(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def _without_a_file(command: HostCommand) -> HostCommand:
    return HostCommand(python=command.python, project=command.project, targets=command.targets, env=command.env)


def test_a_call_without_a_key_asks_nothing_of_the_clients_store(commands: dict[str, HostCommand]) -> None:
    with _without_a_file(commands["langgraph"]).open(state={}) as host:
        assert host.call("research", {"topic": "sun", "depth": 1})["isError"] is False
        assert host.state_calls == []
        assert host.call("research", {"topic": "sun", "depth": 1}, key="k")["isError"] is False
        assert set(host.state_calls) == {"hub/state/get", "hub/state/put"}
        assert host.state is not None
        assert all(key.startswith("research/runs/") for key in host.state)


def test_a_client_that_offers_no_store_is_not_asked_for_one(commands: dict[str, HostCommand]) -> None:
    with _without_a_file(commands["functions"]).open() as host:
        first = host.call("noisy", {}, key="k")
        assert host.call("noisy", {}, key="k") == first
        assert host.state_calls == []


def test_a_store_that_refuses_makes_the_call_retryable(commands: dict[str, HostCommand]) -> None:
    class Refusing(RawHost):
        def serve_state(self, message: Json) -> Json:
            return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32603, "message": "sk-MARKER"}}

    command = _without_a_file(commands["functions"])
    host = Refusing([str(command.python), *command.arguments()], command.environment(), {})
    try:
        refused = host.call("noisy", {}, key="k")
    finally:
        host.kill()
    assert refused["content"][0]["text"] == "unavailable: the client's store refused"
    assert refused["_meta"]["hub/retryable"] is True


def test_a_key_belongs_to_its_arguments_from_the_start(commands: dict[str, HostCommand], model: ModelServer) -> None:
    state: dict[str, str] = {}
    command = _without_a_file(commands["langgraph"])
    gate = model.hold("n3", "the first")
    with command.open(state=state) as host:
        host.submit_call("eight", {"topic": "the first"}, key="taken")
        assert gate.arrived.wait(60)
        host.kill()
        gate.opened.set()
    with command.open(state=state) as host:
        refused = host.call("eight", {"topic": "the second"}, key="taken")
    assert refused["_meta"]["hub/code"] == "invalid_input"
    assert model.calls("the second").total() == 0
