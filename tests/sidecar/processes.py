"""Sidecars and workers in processes of their own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from dapr.proto.runtime.v1 import metadata_pb2 as metadata_pb


@dataclass(frozen=True, slots=True, kw_only=True)
class DaprApi:
    """Where a sidecar answers, and which kind it is."""

    kind: str
    host: str
    grpc_port: int
    http_port: int
    state_store: str = "statestore"
    pubsub: str = "pubsub"

    @property
    def is_embedded(self) -> bool:
        return self.kind == "embedded"

    @property
    def keeps_events(self) -> bool:
        """Whether a topic keeps its events, and its subscribers share them; a broker in daprd's memory does not."""
        return self.kind != "daprd-sqlite"

    def is_healthy(self) -> bool:
        url = f"http://{self.host}:{self.http_port}/v1.0/healthz/outbound"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=20) as answer:
            return 200 <= answer.status < 300
        return False


@dataclass(slots=True)
class SidecarProcess:
    """The embedded sidecar in a process."""

    process: "subprocess.Popen[str]"
    api: DaprApi
    log_path: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


def command(db_path: Path, grpc_port: int, http_port: int, arguments: Sequence[str]) -> list[str]:
    ports = ["--grpc-port", str(grpc_port), "--http-port", str(http_port)]
    return [sys.executable, "-m", "hub.sidecar", "--db", str(db_path), *ports, *arguments]


def start_sidecar(
    db_path: Path,
    *,
    grpc_port: int = 0,
    http_port: int = 0,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> SidecarProcess:
    """Start it and wait until it has told its ports."""
    log_path = db_path.with_suffix(".log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("a") as log:
        process = subprocess.Popen(
            [*prefix, *command(db_path, grpc_port, http_port, arguments)],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.stdout.close()
    if not line:
        process.wait(10)
        raise RuntimeError(f"the sidecar did not start: {log_path.read_text()[-2000:]}")
    ports = json.loads(line)
    api = DaprApi(kind="embedded", host="127.0.0.1", grpc_port=ports["grpc_port"], http_port=ports["http_port"])
    return SidecarProcess(process, api, log_path)


@contextlib.contextmanager
def running_sidecar(
    db_path: Path,
    *,
    grpc_port: int = 0,
    http_port: int = 0,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Generator[SidecarProcess]:
    """A sidecar that is stopped at the end, if it still lives."""
    sidecar = start_sidecar(
        db_path,
        grpc_port=grpc_port,
        http_port=http_port,
        arguments=arguments,
        environment=environment,
        prefix=prefix,
    )
    try:
        yield sidecar
    finally:
        if sidecar.process.poll() is None:
            sidecar.process.kill()
        sidecar.process.wait(10)


def connected_workers(api: DaprApi) -> int:
    """How many workers the sidecar says it has."""
    with grpc.insecure_channel(f"{api.host}:{api.grpc_port}") as channel:
        get: Any = cast("Any", channel).unary_unary(
            "/dapr.proto.runtime.v1.Dapr/GetMetadata",
            request_serializer=metadata_pb.GetMetadataRequest.SerializeToString,
            response_deserializer=metadata_pb.GetMetadataResponse.FromString,
        )
        with contextlib.suppress(grpc.RpcError):
            return int(get(metadata_pb.GetMetadataRequest(), timeout=5).workflows.connected_workers)
    return 0


@contextlib.contextmanager
def running_worker_process(api: DaprApi, ledger: Path) -> "Generator[subprocess.Popen[str]]":
    """`worker_program` in a process, connected."""
    with ledger.with_suffix(".worker.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sidecar.worker_program", api.host, str(api.grpc_port), str(ledger)],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.stdout.close()
        process.kill()
        process.wait(10)
