"""Where things live: the configuration, and one folder of state for each."""

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast

from hub.catalog.provider import Era
from hub.errors import ConfigError

CONFIG_NAME = "hub.yaml"
_APPLICATION = "interop-hub"
_SEAL_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The paths that belong to one configuration."""

    config: Path
    """The configuration file, absolute."""
    state: Path
    """The folder of its state; only its owner may enter."""

    @classmethod
    def of(cls, config: Path) -> Self:
        """The places of a configuration file; nothing is made yet.

        Source: XDG Base Directory Specification 0.8, `XDG_STATE_HOME`.
        """
        config = config.absolute()
        config = config.parent.resolve() / config.name
        digest = hashlib.sha256(os.fsencode(config)).hexdigest()[:8]
        folder = re.sub(r"[^A-Za-z0-9._-]", "_", config.parent.name) or "root"
        return cls(config=config, state=_xdg("XDG_STATE_HOME", ".local/state") / _APPLICATION / f"{folder}-{digest}")

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def running(self) -> Path:
        """Tells where the running hub is reached."""
        return self.state / "running.json"

    @property
    def lock(self) -> Path:
        """Held by the running hub."""
        return self.state / "lock"

    @property
    def eras(self) -> Path:
        return self.state / "eras.json"

    def log_of(self, server: str) -> Path:
        """What the server writes on its standard error."""
        return self.logs / f"{server}.log"

    def make(self) -> None:
        """Make the folders of the state.

        Raises:
            ConfigError: they can't be made.
        """
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.state, self.logs):
                folder.mkdir(mode=0o700, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            reason = error.strerror or "an unknown reason"
            raise ConfigError(
                f"{self.state}: found no way to make this folder ({reason}); expected a folder for the state; "
                "set XDG_STATE_HOME to one that can be written"
            ) from error

    def seal_key(self) -> bytes:
        """The key that seals what clients keep for the hub; made at the first use, 32 bytes."""
        self.make()
        path = self.state / "seal.key"
        with contextlib.suppress(FileNotFoundError):
            key = path.read_bytes()
            if len(key) == _SEAL_KEY_BYTES:
                return key
            path.unlink()
        with _replacing(path) as draft:
            draft.write_bytes(secrets.token_bytes(_SEAL_KEY_BYTES))
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        return path.read_bytes()

    def read_eras(self) -> dict[str, Era]:
        """The era that each server spoke last; empty where nothing is known or the file is broken."""
        try:
            found: object = json.loads(self.eras.read_bytes())
        except (OSError, ValueError):
            return {}
        items = cast("dict[str, object]", found).items() if isinstance(found, dict) else ()
        return {name: era for name, era in items if era in ("legacy", "modern")}

    def write_eras(self, eras: Mapping[str, Era]) -> None:
        """Remember the eras for the next start."""
        write_private(self.eras, json.dumps(dict(eras), indent=1, sort_keys=True))


def find_config(given: Path | None = None) -> Path:
    """The configuration file: the one given, else `./hub.yaml`, else the user's own.

    Raises:
        ConfigError: there is none.

    Source: XDG Base Directory Specification 0.8, `XDG_CONFIG_HOME`.
    """
    if given is not None:
        return given.expanduser().absolute()
    candidates = (Path(CONFIG_NAME).absolute(), user_config())
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(
        f"found no configuration; expected ./{CONFIG_NAME} or {candidates[1]}; run `hub init`, or name a file with `-c`"
    )


def user_config() -> Path:
    """The configuration for everywhere."""
    return _xdg("XDG_CONFIG_HOME", ".config") / _APPLICATION / CONFIG_NAME


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    with _replacing(path) as draft:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)


@contextlib.contextmanager
def _replacing(path: Path) -> Generator[Path]:
    """An empty file of mode 0600 beside `path`, gone in the end."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _xdg(variable: str, default: str) -> Path:
    """A folder of the user; the specification has relative values ignored."""
    given = os.environ.get(variable, "")
    return Path(given) if given.startswith("/") else Path.home() / default
