"""An HTTP service as a provider."""

import hashlib
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast

import anyio
import anyio.to_thread
import httpx

from adapters.openapi.answers import ServiceDownError, error_of, to_result
from adapters.openapi.credentials import Credentials
from adapters.openapi.document import Document, fetch_document, load_file
from adapters.openapi.exchange import Reply, send
from adapters.openapi.guard import GuardedTransport
from adapters.openapi.operations import Operation, build_operations
from adapters.openapi.requests import build_request
from adapters.openapi.settings import OpenApiSettings
from adapters.tools_only import ToolsOnly
from hub.catalog.provider import Answer, Caller, Change, Json, Kind, Outcome, ProviderState
from hub.catalog.schema import ArgumentSchema
from hub.errors import (
    CallTimeoutError,
    ConfigError,
    HubError,
    InvalidInputError,
    UnknownNameError,
    UpstreamDownError,
)
from hub.upstream import Surroundings
from hub.upstream.task_scope import open_tasks

FIRST_DELAY_S: Final = 0.2
RETRY_EVERY_S: Final = 5.0
MAX_RETRY_S: Final = 300.0
PREPARE_TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 10.0
_WORTH_A_TRY: Final = frozenset({500, 502, 503, 504})


class OpenApiProvider(ToolsOnly):
    """A `Provider`: each allowed operation is a tool."""

    def __init__(
        self, *, name: str, settings: OpenApiSettings, surroundings: Surroundings, client: httpx.AsyncClient
    ) -> None:
        super().__init__(name)
        self._settings = settings
        self._around = surroundings
        self._client = client
        self._logger = logging.getLogger(f"adapters.openapi.{name}")
        self._operations: dict[str, Operation] = {}
        self._inputs: dict[str, ArgumentSchema] = {}
        self._outputs: dict[str, ArgumentSchema] = {}
        self._document: Document | None = None
        self._credentials: Credentials | None = None
        self._slots = anyio.Semaphore(settings.concurrency)
        self._prepared = anyio.Event()

    @property
    def state(self) -> ProviderState:
        info = self._document.info if self._document is not None else {}
        return ProviderState(
            phase=self._phase,
            since=self._since,
            server_info={"name": str(info.get("title", "")), "version": str(info.get("version", ""))} if info else None,
            capabilities={"tools": {}} if self._phase == "ready" else {},
            problem=self._problem,
        )

    async def list(self, kind: Kind) -> Sequence[Json]:
        await self._ready()
        return [each.definition for each in self._operations.values()] if kind == "tools" else ()

    async def call(self, params: Json, caller: Caller) -> Outcome:
        await self._ready()
        operation = self._operations.get(str(params.get("name")))
        if operation is None:
            raise UnknownNameError(f"{self._name} has no operation {str(params.get('name'))[:100]!r}")
        arguments = cast("Json", params.get("arguments") or {})
        faults = self._inputs[operation.tool_name].faults(arguments)
        if faults:
            raise InvalidInputError("; ".join(faults))
        async with self._slots:
            reply = await self._reply(operation, arguments, self._key(params, caller))
        return Answer(body=to_result(operation, reply, self._outputs.get(operation.tool_name)))

    # Calls

    def _key(self, params: Json, caller: Caller) -> str | None:
        """What the service is told to know a repeated call by; of the run it says nothing."""
        key: object = cast("Json", params.get("_meta") or {}).get("hub/idempotencyKey")
        if self._settings.idempotency_header is None or not isinstance(key, str) or not key:
            return None
        return hashlib.sha256(f"{caller.identity}/{self._name}/{key}".encode()).hexdigest()

    async def _reply(self, operation: Operation, arguments: Json, key: str | None) -> Reply:
        """The answer to a call; a request that may be repeated is, after failures that may pass.

        Raises:
            HubError: there is none, or it stands for an error.
        """
        may_repeat = operation.is_repeatable or key is not None
        tries = self._settings.tries if may_repeat else 1
        for number in range(1, tries + 1):
            try:
                reply = await self._send(operation, arguments, key)
                error = error_of(reply)
            except (UpstreamDownError, CallTimeoutError) as down:
                reply, error = None, down
            if reply is not None and error is None:
                return reply
            passes = reply is None or reply.status_code in _WORTH_A_TRY
            says_when = isinstance(error, ServiceDownError) and error.retry_after_s is not None
            if error is not None and (number == tries or not passes or says_when):
                if not may_repeat and isinstance(error, CallTimeoutError | UpstreamDownError):
                    raise _unrepeatable(error)
                raise error
            await anyio.sleep(FIRST_DELAY_S * 2 ** (number - 1) * random.uniform(0.75, 1.25))  # noqa: S311 - spread
        raise UpstreamDownError(f"{self._name} gave no answer")

    async def _send(self, operation: Operation, arguments: Json, key: str | None) -> Reply:
        settings = self._settings
        if self._document is None or self._credentials is None:
            raise UpstreamDownError(f"{self._name} is still being read")
        headers = dict(settings.headers)
        if key is not None and settings.idempotency_header is not None:
            headers[settings.idempotency_header] = key
        request = build_request(
            self._client,
            operation,
            arguments,
            base_url=self._base_url(operation, self._document),
            additions=self._credentials.additions(operation.security),
            headers=headers,
        )
        reply = await send(
            self._client,
            request,
            limit_bytes=settings.max_response_bytes,
            redirect_hosts=settings.redirect_hosts,
            secret_headers=(*self._credentials.header_names, *settings.headers),
        )
        hidden = self._credentials.hide(reply.content)
        return Reply(status_code=reply.status_code, reason=reply.reason, headers=reply.headers, content=hidden)

    def _base_url(self, operation: Operation, document: Document) -> str:
        given = self._settings.base_url or (operation.base_urls[0] if operation.base_urls else "/")
        if "://" in given:
            return given
        return str(httpx.URL(document.place).join(given))

    # Life

    async def run(self) -> None:
        """Read the document, again after a while if that fails."""
        delay_s = RETRY_EVERY_S
        while True:
            try:
                await self._prepare()
            except HubError as error:
                self._logger.warning("%s", error)
                self._enter("down", str(error))
            else:
                self._enter("ready", None)
                self._tell(Change(what="tools"))
                self._prepared.set()
                return
            self._prepared.set()
            await anyio.sleep(delay_s)
            delay_s = min(delay_s * 2, MAX_RETRY_S)

    async def _prepare(self) -> None:
        document = await load_document(self._settings, self._around, self._client)
        operations = build_operations(
            document, allowed=self._settings.operations, with_output=self._settings.check_answers
        )
        self._credentials = Credentials(document, self._settings.credentials)
        self._document = document
        self._operations = {each.tool_name: each for each in operations}
        for each in operations:
            self._base_of(each, document)
        self._inputs = {each.tool_name: ArgumentSchema(each.definition["inputSchema"]) for each in operations}
        self._outputs = {
            each.tool_name: ArgumentSchema(each.output_schema) for each in operations if each.output_schema is not None
        }

    def _base_of(self, operation: Operation, document: Document) -> None:
        url = httpx.URL(self._base_url(operation, document)) if "://" in document.place else None
        given = self._settings.base_url or (operation.base_urls[0] if operation.base_urls else "")
        if (url is None and "://" not in given) or (url is not None and url.scheme not in ("http", "https")):
            raise ConfigError("base_url: found none, and no whole address in the document; expected `http(s)://…`")

    async def _ready(self) -> None:
        with anyio.move_on_after(PREPARE_TIMEOUT_S):
            await self._prepared.wait()
        if self._phase != "ready":
            raise UpstreamDownError(f"{self._name} can't be offered: {self._problem or 'it is still being read'}")


class _OnceOnlyError(HubError):
    """A request that may have been carried out, and must not be made again unasked."""

    code = "unavailable"
    retryable = False


def _unrepeatable(error: HubError) -> HubError:
    once = _OnceOnlyError(f"{error}; the request may have been carried out, so it is not made again by itself")
    once.__cause__ = error
    return once


async def load_document(settings: OpenApiSettings, surroundings: Surroundings, client: httpx.AsyncClient) -> Document:
    """The document of an entry, from its file or address.

    Raises:
        HubError: there is none that can be read.
    """
    if settings.document.startswith(("http://", "https://")):
        return await fetch_document(client, settings.document)
    return await anyio.to_thread.run_sync(load_file, surroundings.place(settings.document))


@asynccontextmanager
async def open_client(settings: OpenApiSettings) -> AsyncGenerator[httpx.AsyncClient]:
    """The connections of one entry; no proxy of the environment is used, and no other settings of it either."""
    limits = httpx.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
    inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
    transport = GuardedTransport(inner, allow_private=settings.allow_private)
    timeout = httpx.Timeout(settings.timeout_s, connect=min(CONNECT_TIMEOUT_S, settings.timeout_s), pool=None)
    async with httpx.AsyncClient(
        transport=transport, timeout=timeout, trust_env=False, headers={"User-Agent": "interop-hub"}
    ) as client:
        yield client


@asynccontextmanager
async def open_openapi_provider(
    name: str, settings: OpenApiSettings, surroundings: Surroundings
) -> AsyncGenerator[OpenApiProvider]:
    """Begin to read the document; this does not wait for it."""
    async with open_client(settings) as client, open_tasks() as tasks:
        provider = OpenApiProvider(name=name, settings=settings, surroundings=surroundings, client=client)
        tasks.start_soon(provider.run)
        yield provider
