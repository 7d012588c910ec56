"""What each pairing of client and server is put through, told as observations in plain JSON.

Imports nothing but anyio, so that the client on SDK 1.x can run it in its own environment.
"""

import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio

Json = dict[str, Any]
When = Callable[[], Awaitable[object]]

PATIENCE_S = 20.0
AGAIN_AFTER_S = 1.0


class Watch(Protocol):
    """What was told since the watch began."""

    async def wait(self) -> None:
        """Wait until something was told."""
        ...


class MatrixClient(Protocol):
    """One connected client of either SDK and era. It answers a form with Ada, and a prompt with two words."""

    asked: list[str]
    """The messages of the questions that it was asked."""
    heard: list[list[object]]
    """The log messages that it got: level, logger, data."""

    async def tools(self) -> dict[str, Json]:
        """name -> output schema"""
        ...

    async def call(self, tool: str, arguments: Json, steps: list[list[object]] | None = None) -> Json:
        """Call a tool.

        Args:
            steps: takes the progress, if it is wanted.

        Returns:
            text, isError, structured, kept (what the server put into `_meta`).
        """
        ...

    async def call_until(self, tool: str, arguments: Json, when: When) -> None:
        """Call a tool and cancel the call after `when` has returned."""
        ...

    async def want_logs(self, level: str) -> None: ...

    async def resource_uris(self) -> list[str]: ...

    async def read(self, uri: str) -> str: ...

    def watch_tools(self) -> AbstractAsyncContextManager[Watch]: ...

    def watch_resource(self, uri: str) -> AbstractAsyncContextManager[Watch]: ...


async def observe_tools(client: MatrixClient, server: str) -> Json:
    return {
        "answer": await client.call(f"{server}__add", {"a": 2, "b": 3}),
        "failure": await client.call(f"{server}__fail", {}),
    }


async def observe_structured(client: MatrixClient, server: str) -> Json:
    answer = await client.call(f"{server}__add", {"a": 0.5, "b": 0.25})
    return {"schema": (await client.tools())[f"{server}__add"], "content": answer["structured"]}


async def observe_progress(client: MatrixClient, server: str) -> Json:
    steps: list[list[object]] = []
    answer = await client.call(f"{server}__count", {"to": 3}, steps)
    return {"steps": steps, "text": answer["text"]}


async def observe_cancel(client: MatrixClient, server: str) -> Json:
    tag = {"tag": uuid.uuid4().hex}
    await client.call_until(f"{server}__hang", tag, lambda: client.call(f"{server}__started", tag))
    answer = await client.call(f"{server}__cancelled", tag)
    return {"server saw": str(answer["text"]).replace(tag["tag"], "TAG")}


async def observe_logging(client: MatrixClient, server: str) -> Json:
    await client.want_logs("info")
    client.heard.clear()
    answer = await client.call(f"{server}__speak", {})
    return {"heard": list(client.heard), "text": answer["text"]}


async def observe_elicitation(client: MatrixClient, server: str) -> Json:
    answer = await client.call(f"{server}__ask_name", {})
    return {"asked": list(client.asked), "text": answer["text"]}


async def observe_sampling(client: MatrixClient, server: str) -> Json:
    answer = await client.call(f"{server}__ask_model", {})
    return {"asked": list(client.asked), "text": answer["text"]}


async def observe_list_change(client: MatrixClient, server: str) -> Json:
    before = await client.tools()
    async with client.watch_tools() as watch:
        grown = await _until_told(watch, lambda: client.call(f"{server}__grow", {}))
    name = f"{server}__{grown[0]['text']}"  # whichever change was told, the first is listed then
    return {"new": name not in before, "listed": name in await client.tools()}


async def observe_subscription(client: MatrixClient, server: str) -> Json:
    uri = f"matrix://{server}/note"
    async with client.watch_resource(uri) as watch:
        touched = await _until_told(watch, lambda: client.call(f"{server}__touch", {}))
    return {"listed": uri in await client.resource_uris(), "fresh": await client.read(uri) == touched[-1]["text"]}


async def _until_told(watch: Watch, cause: Callable[[], Awaitable[Json]]) -> list[Json]:
    """Cause a change until it is told; what was answered each time.

    A client of the handshake era opens the stream for what it did not ask for by itself, some time after the
    handshake: what happens before that is not told to it.
    """
    answers: list[Json] = []
    while True:
        answers.append(await cause())
        with anyio.move_on_after(AGAIN_AFTER_S):
            await watch.wait()
            return answers


FEATURES: dict[str, Callable[[MatrixClient, str], Awaitable[Json]]] = {
    "tools": observe_tools,
    "structured content": observe_structured,
    "progress": observe_progress,
    "cancel": observe_cancel,
    "logging": observe_logging,
    "elicitation": observe_elicitation,
    "sampling": observe_sampling,
    "list change": observe_list_change,
    "resource subscription": observe_subscription,
}

EXPECTED: dict[str, Json] = {
    "tools": {
        "answer": {"text": "5", "isError": False, "structured": {"sum": 5}, "kept": "yes"},
        "failure": {"text": "no", "isError": True, "structured": None, "kept": None},
    },
    "structured content": {
        "schema": {"type": "object", "properties": {"sum": {"type": "number"}}, "required": ["sum"]},
        "content": {"sum": 0.75},
    },
    "progress": {"steps": [[1, 3, "step 1"], [2, 3, "step 2"], [3, 3, "step 3"]], "text": "counted"},
    "cancel": {"server saw": "cancelled TAG"},
    "logging": {
        "heard": [["info", "matrix", {"said": "info"}], ["warning", "matrix", {"said": "warning"}]],
        "text": "spoken",
    },
    "elicitation": {"asked": ["Your name?"], "text": "accept Ada"},
    "sampling": {"asked": ["Two words?"], "text": "test-model blue moon"},
    "list change": {"new": True, "listed": True},
    "resource subscription": {"listed": True, "fresh": True},
}


async def observe(feature: str, client: MatrixClient, server: str) -> Json:
    """Put one pairing through one feature."""
    with anyio.fail_after(PATIENCE_S):
        return await FEATURES[feature](client, server)
