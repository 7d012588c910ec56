"""The MCP server: many requests at once, on one pipe, in both eras."""

import asyncio
import json
import logging
import signal
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

from . import protocol
from .calls import answer_call, input_required, rising
from .catalog import Catalog
from .failures import HostError, RpcError
from .pipe import Pipe
from .runs import Asking, CallRequest, Runs
from .storage import MemoryStore, PipeStore, Store
from .tools import Progress

Json = dict[str, Any]

logger = logging.getLogger("interop_hub_host")

THREADS: Final = 256
"""At most: crews make each model call on a thread of the loop's pool, and a flow that asks a person keeps one."""
STORE_TIMEOUT_S: Final = 30.0


class Server:
    """Answers one client until the pipe ends or the process is told to stop."""

    def __init__(self, pipe: Pipe, catalog: Catalog, store: Store | None, grace_s: float) -> None:
        self._pipe = pipe
        self._catalog = catalog
        self._store = store
        self._grace_s = grace_s
        self._handshake: Json = {}
        self._client_keeps_state = False
        self._runs: Runs | None = None
        self._calls: dict[Any, asyncio.Task[None]] = {}
        self._awaited: dict[str, asyncio.Future[Json]] = {}
        self._asked = 0
        self._background: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._draining = False

    async def serve(self) -> None:
        """Read and answer until there is nothing more to read, or until SIGTERM and the end of what runs."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                loop.add_signal_handler(number, self._begin_drain)
            except NotImplementedError:  # not on Windows
                signal.signal(number, lambda _number, _frame: _on_loop(loop, self._begin_drain))
        self._pipe.listen(
            lambda line: _on_loop(loop, self._receive, line),
            lambda: _on_loop(loop, self._stop.set),
        )
        await self._stop.wait()
        for call in tuple(self._calls.values()):
            call.cancel()
        if self._runs is not None:
            self._runs.cancel_all()
        self._pipe.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _begin_drain(self) -> None:
        if not self._draining:
            self._draining = True
            self._spawn(self._drain())

    async def _drain(self) -> None:
        if self._runs is not None:
            await self._runs.drain(self._grace_s)
        calls = set(self._calls.values())
        if calls:
            await asyncio.wait(calls, timeout=2)
        self._stop.set()

    def _receive(self, line: bytes) -> None:
        try:
            message: Any = json.loads(line)
        except (ValueError, RecursionError):
            self._refuse(None, RpcError(protocol.PARSE_ERROR, "Parse error"))
            return
        if isinstance(message, list) and message:
            self._spawn(self._batch(cast("list[Any]", message)))
        elif isinstance(message, dict):
            self._take(cast("Json", message))
        else:
            self._refuse(None, RpcError(protocol.INVALID_REQUEST, "Invalid request"))

    def _take(self, message: Json) -> None:
        method = message.get("method")
        if method is None:
            self._answered(message)
        elif "id" not in message:
            self._notified(str(method), message)
        elif not isinstance(message["id"], (str, int)):
            self._refuse(None, RpcError(protocol.INVALID_REQUEST, "Invalid request: expected a string or integer id"))
        else:
            key = message["id"]
            self._calls[key] = call = self._spawn(self._reply(message))
            call.add_done_callback(lambda done: self._forget(key, done))

    def _forget(self, key: Any, call: "asyncio.Task[None]") -> None:
        if self._calls.get(key) is call:
            del self._calls[key]

    def _answered(self, message: Json) -> None:
        future = self._awaited.pop(str(message.get("id")), None)
        if future is not None and not future.done():
            future.set_result(message)

    def _notified(self, method: str, message: Json) -> None:
        if method == "notifications/cancelled":
            params = message.get("params")
            wanted = cast("Json", params).get("requestId") if isinstance(params, dict) else None
            call = self._calls.get(wanted) if isinstance(wanted, (str, int)) else None
            if call is not None:
                call.cancel()

    async def _batch(self, messages: list[Any]) -> None:
        """Answer a batch as one array.

        Source: MCP 2025-03-26, basic, batching.
        """
        replies: list[Json] = []
        for item in messages:
            if not isinstance(item, dict):
                replies.append(_error(None, RpcError(protocol.INVALID_REQUEST, "Invalid request")))
                continue
            message = cast("Json", item)
            if "method" in message and "id" in message:
                replies.append(await self._answer(message))
            else:
                self._take(message)
        if replies:
            self._pipe.send(cast("Json", replies))

    async def _reply(self, message: Json) -> None:
        self._pipe.send(await self._answer(message))
        self._catalog.start_loading()

    def _refuse(self, key: Any, error: RpcError) -> None:
        self._pipe.send(_error(key, error))

    async def _answer(self, message: Json) -> Json:
        key = message["id"]
        try:
            given = _params_of(message)
            envelope = protocol.open_envelope(given, self._handshake)
            result = await self._handle(str(message["method"]), given, envelope)
        except RpcError as error:
            return _error(key, error)
        except Exception:
            logger.exception("%s failed", message["method"])
            return _error(key, RpcError(protocol.INTERNAL_ERROR, "Internal error"))
        return {"jsonrpc": "2.0", "id": key, "result": protocol.to_modern(result) if envelope.modern else result}

    async def _handle(self, method: str, params: Json, envelope: protocol.Envelope) -> Json:
        if envelope.keeps_state:
            self._client_keeps_state = True
        match method:
            case "initialize" if not envelope.modern:
                declared = params.get("capabilities")
                self._handshake = cast("Json", declared) if isinstance(declared, dict) else {}
                return protocol.initialize(params)
            case "server/discover":
                return protocol.discover()
            case "ping":
                return {}
            case "tools/list":
                return await self._list(envelope)
            case "tools/call":
                return await self._call(params, envelope)
            case _:
                raise RpcError(protocol.METHOD_NOT_FOUND, f"Method not found: {method[:100]}")

    async def _list(self, envelope: protocol.Envelope) -> Json:
        catalog = await self._catalog.loaded()
        result: Json = {"tools": [tool.describe() for tool in catalog.tools.values()]}
        if catalog.problems:
            result["_meta"] = {"hub/problems": [str(problem) for problem in catalog.problems]}
        return {**result, "ttlMs": 0, "cacheScope": "private"} if envelope.modern else result

    async def _call(self, params: Json, envelope: protocol.Envelope) -> Json:
        loaded = await self._catalog.loaded()
        progress = self._progress(envelope.meta.get("progressToken"))
        return await answer_call(
            loaded.tools, params, envelope, progress, lambda request: self._steps(request, envelope)
        )

    async def _steps(self, request: CallRequest, envelope: protocol.Envelope) -> Json:
        if self._draining:
            raise HostError("unavailable", "the host is stopping; the same call goes on when it is back")
        if self._runs is None:
            self._runs = Runs(self._store or (PipeStore(self.request) if self._client_keeps_state else MemoryStore()))
        while True:
            step = await self._runs.step(request)
            if not isinstance(step, Asking):
                return protocol.ended(step)
            if envelope.modern:
                return input_required(request, step, envelope)
            if not envelope.can_answer:
                raise HostError("unsupported", "the tool asks a question, and this client can't answer any")
            try:
                responses = {key: await self._ask(question) for key, question in protocol.elicitations(step).items()}
            except BaseException:
                if request.run_id is None:
                    self._runs.abandon(request.tool.name, step.run_id)
                raise
            request = CallRequest(
                tool=request.tool,
                arguments=request.arguments,
                run_id=step.run_id,
                thread=request.thread,
                context=request.context,
                responses=responses,
                progress=request.progress,
            )

    async def _ask(self, question: Json) -> Json:
        try:
            return await self.request(question["method"], question["params"])
        except RpcError as error:
            raise HostError("unsupported", "the client refused the question") from error

    def _progress(self, token: Any) -> Progress:
        def tell(told: Json) -> None:
            if token is not None:
                params = {"progressToken": token, **told}
                self._pipe.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})

        return rising(tell)

    async def request(self, method: str, params: Json) -> Json:
        """Ask the client something and wait for its answer.

        Raises:
            RpcError: the client answered with an error.
            HostError: the client's store did not answer in time.
        """
        self._asked += 1
        key = f"host-{self._asked}"
        future = self._awaited[key] = asyncio.get_running_loop().create_future()
        self._pipe.send({"jsonrpc": "2.0", "id": key, "method": method, "params": params})
        limit = STORE_TIMEOUT_S if method.startswith(f"{protocol.STATE_EXTENSION}/") else None
        try:
            answer = await asyncio.wait_for(future, limit)
        except asyncio.TimeoutError:  # noqa: UP041 - not the builtin before Python 3.11
            raise HostError("unavailable", "the client's store does not answer") from None
        except asyncio.CancelledError:
            if limit is None:
                params = {"requestId": key, "reason": "the call was cancelled"}
                self._pipe.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
            raise
        finally:
            self._awaited.pop(key, None)
        if "error" in answer and limit is not None:
            raise HostError("unavailable", "the client's store refused")
        if "error" in answer:
            raise RpcError(protocol.INTERNAL_ERROR, f"the client answered {method} with an error")
        result = answer.get("result")
        return cast("Json", result) if isinstance(result, dict) else {}


def _params_of(message: Json) -> Json:
    params = message.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(protocol.INVALID_PARAMS, "Invalid params: expected an object")
    return cast("Json", params)


def _on_loop(loop: asyncio.AbstractEventLoop, call: Any, *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)


def _error(key: Any, error: RpcError) -> Json:
    body: Json = {"code": error.rpc_code, "message": str(error)}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": key, "error": body}
