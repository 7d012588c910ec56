"""What a host would offer, found out once and kept until the project changes."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final, cast

import anyio
import anyio.to_thread

from adapters.host import HOST_PROGRAM
from hub.catalog.provider import Json
from hub.errors import ConfigError

_SOURCES: Final = frozenset({".py", ".yaml", ".yml", ".json", ".jsonc", ".toml", ".lock", ".txt", ".md"})
_PASSED_BY: Final = frozenset({"__pycache__", "node_modules", "site-packages", "dist", "build"})
_MAX_FILES: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCommand:
    """How the host of one entry is started."""

    python: Path
    project: Path
    targets: Sequence[Json]
    env: dict[str, str]
    storage: Path
    """For the framework's own files."""

    def argv(self, *more: str) -> list[str]:
        targets = [word for target in self.targets for word in ("--target", json.dumps(target))]
        fixed = ["--project", str(self.project), "--storage-dir", str(self.storage)]
        return [str(self.python), str(HOST_PROGRAM), *targets, *fixed, *more]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `--describe` tells."""

    fingerprint: str
    body: Json

    @property
    def tools(self) -> list[Json]:
        return cast("list[Json]", self.body.get("tools", []))

    @property
    def problem(self) -> str | None:
        """What is wrong with the targets, in one line; for callers too."""
        problems = cast("list[Json]", self.body.get("problems", []))
        return "; ".join(str(item.get("message")) for item in problems) or None

    @property
    def warnings(self) -> list[str]:
        return [str(item) for item in cast("list[object]", self.body.get("warnings", []))]


async def fingerprint_of(command: HostCommand) -> str:
    """A hash of all that the manifest depends on: interpreter, targets, names of variables, lock file and sources."""
    return await anyio.to_thread.run_sync(_fingerprint, command)


def _fingerprint(command: HostCommand) -> str:
    digest = hashlib.sha256(json.dumps([command.argv(), sorted(command.env)]).encode())
    packages = command.python.parent.parent
    for path in (
        *sorted((HOST_PROGRAM.parent / "interop_hub_host").rglob("*.py")),  # its folder changes with the first bytecode
        packages / "pyvenv.cfg",
        *packages.glob("lib/*/site-packages"),
    ):
        digest.update(_stamp(path))
    for path in _sources(command.project):
        digest.update(os.fsencode(path.relative_to(command.project)) + _stamp(path))
    return digest.hexdigest()


def _stamp(path: Path) -> bytes:
    try:
        found = path.stat()
    except OSError:
        return b"-"
    return f"{found.st_size}:{found.st_mtime_ns}".encode()


def _sources(project: Path) -> Iterator[Path]:
    count = 0
    for folder, folders, files in os.walk(project):
        place = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in _PASSED_BY and not (place / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            if Path(name).suffix in _SOURCES and not name.startswith("."):
                yield place / name
                count += 1
                if count >= _MAX_FILES:
                    return


async def describe(
    command: HostCommand, *, cache: Path, timeout_s: float, log_path: Path | None = None, fingerprint: str | None = None
) -> Manifest:
    """The manifest: from the cache, else from the host, which imports the project for it.

    Raises:
        ConfigError: the host gave none; its log says why.
    """
    known = fingerprint or await fingerprint_of(command)
    kept = await anyio.to_thread.run_sync(_read, cache)
    if kept is not None and kept.fingerprint == known:
        return kept
    done: CompletedProcess[bytes] | None = None
    try:
        with anyio.move_on_after(timeout_s):
            done = await anyio.run_process(
                command.argv("--describe"), env=command.env, cwd=command.project, check=False
            )
    except OSError as error:
        reason = error.strerror or "an unknown reason"
        raise ConfigError(f"python: {command.python} does not start ({reason}); set another `python`") from error
    if done is None:
        raise ConfigError(f"its import takes more than {timeout_s:g} s; raise `start_timeout_s`")
    await anyio.to_thread.run_sync(_log, log_path, done.stderr)
    manifest = Manifest(fingerprint=known, body=_parsed(done.stdout))
    if manifest.problem is None:
        await anyio.to_thread.run_sync(_write, cache, manifest)
    return manifest


def _parsed(output: bytes) -> Json:
    try:
        body: object = json.loads(output)
    except ValueError as error:
        raise ConfigError("the host ended without telling its tools; its log says why") from error
    return cast("Json", body) if isinstance(body, dict) else {}


def _log(path: Path | None, text: bytes) -> None:
    if path is not None and text:
        with path.open("ab") as file:
            file.write(text)


def _read(cache: Path) -> Manifest | None:
    try:
        body: object = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(body, dict):
        return None
    fields = cast("Json", body)
    if not isinstance(fields.get("fingerprint"), str) or not isinstance(fields.get("manifest"), dict):
        return None
    return Manifest(fingerprint=fields["fingerprint"], body=fields["manifest"])


def _write(cache: Path, manifest: Manifest) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = cache.with_name(f"{cache.name}.{os.getpid()}")
    draft.write_text(json.dumps({"fingerprint": manifest.fingerprint, "manifest": manifest.body}), encoding="utf-8")
    draft.replace(cache)
