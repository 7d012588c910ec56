"""What a call of gRPC costs its server: the sidecar's own, gRPC's for asyncio, and one over the library `h2`.

Each is a process of its own and echoes 300 bytes to gRPC's client with 16 callers, in turns. Usage: python -m
bench.wire [--calls N] [--rounds N] [--measured].
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import grpc.aio
import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from bench.measured import write_section
from bench.sidecar import STARTERS, child, cpu_s
from hub.sidecar.wire import Call, Limits, Method, WireServer

METHOD = ("bench.Wire", "Echo")
METADATA = (("dapr-api-token", "0123456789abcdef0123456789abcdef"),)
BODY = b"x" * 300


async def serve_own() -> None:
    """The sidecar's server."""

    async def echo(call: Call) -> None:
        call.answer(await call.message())

    server = WireServer(lambda _: Method(run=echo), Limits(max_message_bytes=2**24, keepalive_s=60))
    print(await server.start("127.0.0.1", 0), flush=True)
    await asyncio.Event().wait()


async def serve_grpc() -> None:
    """gRPC's server for asyncio."""

    async def echo(request: bytes, _context: Any) -> bytes:
        return request

    service, name = METHOD
    handler: Any = grpc.unary_unary_rpc_method_handler(echo)  # type: ignore[arg-type] - typed for blocking servers
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {name: handler})])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


class H2Echo(asyncio.Protocol):
    """A connection of a server over `h2`, with as little around it as there can be."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._http2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_inbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self._http2.initiate_connection()
        self._bodies: dict[int, bytes] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._http2.receive_data(data):
            match event:
                case RequestReceived():
                    self._bodies[event.stream_id or 0] = b""
                case DataReceived():
                    self._bodies[event.stream_id] += event.data or b""
                    self._http2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                case StreamEnded():
                    task = asyncio.get_running_loop().create_task(self._answer(event.stream_id or 0))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case _:
                    pass
        self._flush()

    async def _answer(self, stream: int) -> None:
        self._http2.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self._http2.send_data(stream, self._bodies.pop(stream))
        self._http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
        self._flush()

    def _flush(self) -> None:
        if data := self._http2.data_to_send():
            self._transport.write(data)


async def serve_h2() -> None:
    """A server over `h2`."""
    server = await asyncio.get_running_loop().create_server(H2Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


SERVERS: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "own": serve_own,
    "grpc": serve_grpc,
    "h2": serve_h2,
}


def measure(calls: int, rounds: int) -> Mapping[str, list[float]]:
    """Microseconds of the server's CPU a call, by server and round."""
    found: dict[str, list[float]] = {name: [] for name in SERVERS}
    with ExitStack() as stack:
        opened: dict[str, tuple[int, Callable[[int], Any]]] = {}
        for name in SERVERS:
            process, port = stack.enter_context(child(["bench.wire", "--serve", name]))
            channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port.strip()}"))
            opened[name] = (process.pid, _caller(channel))
        callers = stack.enter_context(ThreadPoolExecutor(STARTERS))
        for number in range(rounds + 1):
            for name, (pid, call) in opened.items():
                before_s = cpu_s(pid)
                assert set(callers.map(call, range(calls))) == {BODY}
                if number:  # the first is to warm up
                    found[name].append((cpu_s(pid) - before_s) / calls * 1e6)
    return found


def _caller(channel: Any) -> Callable[[int], bytes]:
    echo = channel.unary_unary("/{}/{}".format(*METHOD))
    return lambda _: echo(BODY, metadata=METADATA, timeout=60)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.wire", description=__doc__)
    parser.add_argument("--calls", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--measured", action="store_true", help="write the section of docs/measured.md")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(SERVERS[chosen.serve]())
        return 0
    found = measure(chosen.calls, chosen.rounds)
    rows = [("server", "CPU a call", "of gRPC's in the same round")]
    for name, text in (("own", "the sidecar's own"), ("grpc", "gRPC's for asyncio"), ("h2", "over h2")):
        share = statistics.median(mine / theirs for mine, theirs in zip(found[name], found["grpc"], strict=True))
        rows.append((text, f"{statistics.median(found[name]):.0f} µs", f"{share:.2f} ×"))
    for row in rows:
        print(f"{row[0]:20} {row[1]:>12} {row[2]:>28}")
    if chosen.measured:
        note = f"An echo of {len(BODY)} bytes for gRPC's client, {STARTERS} callers; medians of {chosen.rounds} rounds."
        write_section("What a call costs its server", rows, note=note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
