"""Which Dapr a program runs on."""

import json
import socket
from pathlib import Path

import anyio
import anyio.abc
import pytest

from hub.config import Places
from hub.errors import ConfigError
from hub.runner import address_from, open_dapr_connection
from hub.workflows import DaprAddress, DaprConnection, Runs
from tests.agentic.patience import answered


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, None),
        ({"DAPR_GRPC_PORT": "4000"}, DaprAddress(grpc_port=4000)),
        (
            {"DAPR_GRPC_PORT": "4000", "DAPR_RUNTIME_HOST": "dapr", "DAPR_API_TOKEN": "t"},
            DaprAddress(host="dapr", grpc_port=4000, token="t"),
        ),
        (
            {"DAPR_GRPC_ENDPOINT": "https://dapr.test:443", "DAPR_GRPC_PORT": "4000"},
            DaprAddress(host="dapr.test", grpc_port=443, tls=True),
        ),
        ({"DAPR_GRPC_ENDPOINT": "127.0.0.1:5000"}, DaprAddress(grpc_port=5000)),
        ({"DAPR_GRPC_ENDPOINT": "dapr:5000?tls=true"}, DaprAddress(host="dapr", grpc_port=5000, tls=True)),
    ],
)
def test_the_usual_variables_name_a_sidecar(variables: dict[str, str], address: DaprAddress | None) -> None:
    assert address_from(variables) == address


@pytest.mark.parametrize("variables", [{"DAPR_GRPC_PORT": "x"}, {"DAPR_GRPC_ENDPOINT": "http://a:port"}])
def test_a_variable_that_is_no_address_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(variables))):
        address_from(variables)


async def test_the_first_process_starts_a_sidecar_and_tells_where(tmp_path: Path, one_event_loop: None) -> None:
    places = Places(config=tmp_path / "hub.yaml", state=tmp_path / "state")
    places.make()
    told = places.state / "sidecar.json"
    told.write_text(json.dumps({"grpc_port": 1, "token": "left by a killed process"}))
    async with open_dapr_connection(places, {}) as first:
        assert await Runs(first).list() == []
        assert told.stat().st_mode & 0o077 == 0
        async with open_dapr_connection(places, {}) as second:
            assert second.address == first.address
    with anyio.fail_after(30):
        async with open_dapr_connection(places, {}) as third:
            assert await Runs(third).list() == []
            assert third.address == first.address


async def test_a_sidecar_whose_port_is_taken_gets_another_one_and_another_token(
    tmp_path: Path, one_event_loop: None
) -> None:
    places = Places(config=tmp_path / "hub.yaml", state=tmp_path / "state")
    async with open_dapr_connection(places, {}) as first:
        pass
    with socket.create_server(("127.0.0.1", first.address.grpc_port)):
        async with open_dapr_connection(places, {}) as second:
            assert await Runs(second).list() == []
    assert second.address.grpc_port != first.address.grpc_port
    assert second.address.token != first.address.token


async def test_the_next_one_takes_over_at_the_same_address_when_the_owner_ends(
    tmp_path: Path, one_event_loop: None
) -> None:
    places = Places(config=tmp_path / "hub.yaml", state=tmp_path / "state")
    opened, end = list[DaprConnection](), anyio.Event()

    async def own(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with open_dapr_connection(places, {}) as connection:
            opened.append(connection)
            task_status.started()
            await end.wait()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            await group.start(own)
            async with open_dapr_connection(places, {}) as second, open_dapr_connection(places, {}) as third:
                assert second.address == third.address == opened[0].address
                end.set()
                assert [await answered(each) for each in (second, third)] == [[], []]
