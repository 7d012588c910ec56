"""What two clients are asked at the same time does not get mixed up."""

import anyio
import pytest

from tests.matrix.client_v2 import ClientV2, Mode
from tests.matrix.conftest import POOLED
from tests.tooling.hubs import RunningHub

PATIENCE_S = 20.0
MODES: list[tuple[Mode, Mode]] = [("auto", "auto"), ("legacy", "legacy"), ("auto", "legacy")]


@pytest.mark.parametrize("server", ["sdk1-stdio", "sdk1-sse", "sdk1-http", "sdk2-stdio", "sdk2-http", POOLED])
@pytest.mark.parametrize("modes", MODES, ids=" and ".join)
async def test_each_of_two_clients_answers_its_own_question(
    server: str, modes: tuple[Mode, Mode], matrix_hub: RunningHub
) -> None:
    got: dict[str, object] = {}

    async def call(mode: Mode, name: str) -> None:
        client = ClientV2(name)
        async with client.open(matrix_hub.url, mode):
            answer = await client.call(f"{server}__ask_name", {})
            got[name] = answer["text"]

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            for mode, name in zip(modes, ("Ada", "Bob"), strict=True):
                group.start_soon(call, mode, name)

    assert got == {"Ada": "accept Ada", "Bob": "accept Bob"}
