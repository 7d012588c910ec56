"""Start a pet store and use it through a hub: `python -m examples.petstore.tour`."""

import os
from pathlib import Path

import anyio

from examples.petstore.service import open_service
from hub.app import open_target
from hub.catalog.provider import Answer, Json
from hub.cli.terminal import Terminal
from hub.config import Places, load_config

CONFIG = Path(__file__).with_name("hub.yaml")
KEY = "petstore-key"


async def tour() -> list[Json]:
    """Take a pet in, twice under one key, and find it."""
    caller = Terminal(version="1", log_level=None, quiet=True)
    async with open_service(KEY) as (url, _):
        loaded = load_config(CONFIG, {**os.environ, "PETSTORE_URL": url, "PETSTORE_KEY": KEY})
        async with open_target(loaded, Places.of(CONFIG)) as target:

            async def call(name: str, arguments: Json) -> Json:
                meta = {"hub/idempotencyKey": "tour"}
                outcome = await target.catalog.call_tool({"name": name, "arguments": arguments, "_meta": meta}, caller)
                assert isinstance(outcome, Answer), outcome
                assert outcome.body["isError"] is False, outcome.body
                return outcome.body["structuredContent"]

            rex: Json = {"name": "Rex", "tag": "dog"}
            assert await call("pets__addPet", {"body": rex}) == {"id": 1, **rex}
            assert await call("pets__addPet", {"body": rex}) == {"id": 1, **rex}
            assert await call("pets__getPet", {"petId": 1}) == {"id": 1, **rex}
            found: list[Json] = (await call("pets__findPets", {"tag": ["dog"]}))["result"]
    assert found == [{"id": 1, **rex}]
    return found


if __name__ == "__main__":
    print(anyio.run(tour))
