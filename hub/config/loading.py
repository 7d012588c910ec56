"""Reading a configuration file: hub.yaml, or the JSON of another MCP client as it is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from pydantic import BaseModel

from hub.config import environment
from hub.config.checks import build_model, check_name, check_together, check_values, unknown_key
from hub.config.dialects import Translated, servers_path, translate
from hub.config.document import MAX_FILE_BYTES, KeyPath, Mistake, Mistakes, config_error, shown_path
from hub.config.embedded import EmbeddedSettings
from hub.config.json_reader import JsonMistakesError, read_json
from hub.config.references import FilledIn, UnsetError, fill_in, has_reference, map_strings
from hub.config.sections import adapter_sections, entry_model
from hub.config.settings import FileStamp, HubConfig, LoadedConfig
from hub.config.yaml_reader import YamlMistakesError, read_yaml
from hub.errors import ConfigError
from hub.gateway.settings import GatewaySettings
from hub.upstream.settings import ServerSettings

_OWN_SECTIONS = ("servers", "gateway", "sidecar")


def load_config(path: Path, variables: Mapping[str, str] | None = None) -> LoadedConfig:
    """Read and check a configuration file.

    Args:
        variables: what references are filled in from; without it, the environment.

    Raises:
        ConfigError: everything that is wrong, one mistake a line, each with file, line and key.
    """
    path = path.absolute()
    stamp = stamp_of((path,))
    text = read_text(path)
    translated = read_document(path, text)
    return _Reading(path, translated, environment.variables() if variables is None else variables).run(
        stamp + stamp_of(translated.files)
    )


def load_embedded(path: Path, variables: Mapping[str, str] | None = None) -> EmbeddedSettings:
    """What a configuration file says of the embedded sidecar; a file that is not there says nothing.

    Mistakes elsewhere in the file do not matter here.

    Raises:
        ConfigError: the section is wrong, or the file cannot be read at all.
    """
    text = read_text(path) if path.is_file() else ""
    if not text.strip():
        return EmbeddedSettings.model_validate({})
    translated = read_document(path, text)
    return _Reading(path, translated, environment.variables() if variables is None else variables).run_embedded()


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: no such file, or one that is too large or is not UTF-8.
    """
    shown = shown_path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(f"{shown}: found no such file; expected a configuration; run `hub init`") from error
    except OSError as error:
        reason = error.strerror or "an unknown reason"
        raise ConfigError(f"{shown}: found a file that can't be read ({reason}); expected a readable one") from error
    if len(data) > MAX_FILE_BYTES:
        wrong = f"found more than {MAX_FILE_BYTES // 2**20} MiB; expected less; name the right file"
        raise config_error(path, [Mistake(line=1, key="", text=wrong)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = "found bytes that are not UTF-8; expected UTF-8; save the file in that encoding"
        raise config_error(path, [Mistake(line=line, key="", text=wrong)]) from error


def read_document(path: Path, text: str) -> Translated:
    """The file's values in the form of hub.yaml, whichever client wrote it.

    Raises:
        ConfigError: the syntax is broken, or a dialect holds what can't be translated.
    """
    is_json = _is_json(path, text)
    if not text.strip():
        wrong = "found an empty file; expected `servers:` with your MCP servers; run `hub init --force` for a start"
        raise config_error(path, [Mistake(line=1, key="", text=wrong)])
    try:
        document = read_json(text) if is_json else read_yaml(text)
    except (JsonMistakesError, YamlMistakesError) as error:
        raise config_error(path, error.mistakes) from error
    mistakes = Mistakes(path)
    where = servers_path(document, is_json=is_json)
    translated = Translated(document=document) if where is None else translate(document, where, path, mistakes)
    if mistakes:
        raise mistakes.to_error()
    return translated


def stamp_of(files: tuple[Path, ...]) -> FileStamp:
    """What changes when a file is written or replaced."""
    stamps: list[tuple[str, int, int, int]] = []
    for file in files:
        try:
            found = file.stat()
            stamps.append((str(file), found.st_ino, found.st_size, found.st_mtime_ns))
        except OSError:
            stamps.append((str(file), 0, 0, 0))
    return tuple(stamps)


def _is_json(path: Path, text: str) -> bool:
    if path.suffix in (".yaml", ".yml"):
        return False
    return path.suffix in (".json", ".jsonc") or text.lstrip().startswith(("{", "//", "/*"))


class _Reading:
    def __init__(self, path: Path, translated: Translated, variables: Mapping[str, str]) -> None:
        self._path = path
        self._translated = translated
        self._document = translated.document
        self._variables = variables
        self._mistakes = Mistakes(path)
        self._references: dict[KeyPath, str] = {}

    def run(self, stamp: FileStamp) -> LoadedConfig:
        root = self._document.value
        if root is None:
            root = {}
        if not isinstance(root, dict):
            wrong = "found no mapping; expected `servers:` with your MCP servers; run `hub init` for an example"
            self._mistakes.add(self._document, (), wrong)
            raise self._mistakes.to_error()
        filled = self._filled(cast("dict[str, object]", root), ())
        servers = self._servers(filled.get("servers"))
        gateway = build_model(GatewaySettings, filled.get("gateway"), self._document, ("gateway",), self._mistakes)
        embedded = build_model(EmbeddedSettings, filled.get("sidecar"), self._document, ("sidecar",), self._mistakes)
        sections = self._sections(filled, servers)
        if self._mistakes or gateway is None or embedded is None:
            raise self._mistakes.to_error()
        plain = HubConfig.model_construct(servers=servers, gateway=gateway, sidecar=embedded)
        return LoadedConfig(
            path=self._path,
            config=map_strings(plain, lambda text, at: self._references.get(at, text)),
            resolved=map_strings(self._with_places(plain), self._hidden),
            sections=sections,
            notes=self._translated.notes,
            document=self._document,
            stamp=stamp,
        )

    def run_embedded(self) -> EmbeddedSettings:
        root = self._document.value
        section: object = cast("dict[str, object]", root).get("sidecar") if isinstance(root, dict) else None
        filled = self._filled({"sidecar": section}, ())["sidecar"]
        embedded = build_model(EmbeddedSettings, filled, self._document, ("sidecar",), self._mistakes)
        if self._mistakes or embedded is None:
            raise self._mistakes.to_error()
        return embedded

    def _filled(self, value: dict[str, object], path: KeyPath) -> dict[str, object]:
        return map_strings(value, self._fill, path)

    def _fill(self, text: str, path: KeyPath) -> str:
        if not has_reference(text):
            return text
        overlay = self._translated.overlays.get(str(path[1])) if path[0] == "servers" and len(path) > 1 else None
        try:
            value = fill_in(text, {**self._variables, **overlay} if overlay else self._variables)
        except UnsetError as unset:
            self._mistakes.add(self._document, path, self._unset(unset))
            return text
        self._references[path] = text
        return value

    def _unset(self, unset: UnsetError) -> str:
        if unset.name is None:
            return f"found `{unset}`; expected `${{NAME}}` or `${{NAME:-default}}`; write `$$` for a single `$`"
        question = self._translated.asked.get(unset.name)
        if question is not None:
            return f"found a question of VS Code ({question}); expected its answer in a variable; set {unset.name}"
        return (
            f"found `{unset}`, a variable that is not set; expected a value; "
            f"set {unset.name}, or write `${{{unset.name}:-default}}`"
        )

    def _hidden(self, text: str, path: KeyPath) -> str:
        shown = self._references.get(path)
        return text if shown is None else FilledIn(text, shown)

    def _servers(self, filled: object) -> dict[str, ServerSettings]:
        if filled is None:
            return {}
        if not isinstance(filled, dict):
            wrong = "found no mapping; expected servers by name (`name:` with its settings below); correct it"
            self._mistakes.add(self._document, ("servers",), wrong)
            return {}
        servers: dict[str, ServerSettings] = {}
        for name, entry in cast("dict[str, object]", filled).items():
            path: KeyPath = ("servers", name)
            check_name(name, self._document, self._mistakes)
            server = build_model(ServerSettings, entry, self._document, path, self._mistakes)
            if server is not None:
                check_values(server, self._document, path, self._mistakes)
                servers[name] = server
        check_together(servers, self._document, self._mistakes)
        return servers

    def _sections(self, filled: Mapping[str, object], servers: Mapping[str, object]) -> dict[str, BaseModel]:
        others = [name for name in filled if name not in _OWN_SECTIONS]
        if not others:
            return {}
        models = adapter_sections()
        found: dict[str, BaseModel] = {}
        owners: dict[str, KeyPath] = {name: ("servers", name) for name in servers}
        for name in others:
            if name not in models:
                self._mistakes.add(self._document, (name,), unknown_key(name, [*_OWN_SECTIONS, *models]))
                continue
            entry = entry_model(models[name])
            if entry is not None:
                found[name] = models[name].model_construct(root=self._entries(name, entry, filled[name], owners))
                continue
            section = build_model(models[name], filled[name], self._document, (name,), self._mistakes)
            if section is not None:
                found[name] = map_strings(section, self._hidden, (name,))
        return found

    def _entries(
        self, section: str, model: type[BaseModel], filled: object, owners: dict[str, KeyPath]
    ) -> dict[str, BaseModel]:
        """The entries of one section; a name belongs to one of the servers and entries of the file."""
        if filled is None:
            return {}
        if not isinstance(filled, dict):
            wrong = "found no mapping; expected entries by name (`name:` with its settings below); correct it"
            self._mistakes.add(self._document, (section,), wrong)
            return {}
        found: dict[str, BaseModel] = {}
        for name, value in cast("dict[str, object]", filled).items():
            path: KeyPath = (section, name)
            check_name(name, self._document, self._mistakes, section)
            if name in owners:
                other = owners[name]
                wrong = (
                    f"found the name `{name}`, which `{other[0]}.{name}` (line {self._document.line(other)}) has too; "
                    "expected one owner; choose another name"
                )
                self._mistakes.add(self._document, path, wrong)
            owners[name] = path
            entry = build_model(model, value, self._document, path, self._mistakes)
            if entry is not None:
                found[name] = map_strings(entry, self._hidden, path)
        return found

    def _with_places(self, config: HubConfig) -> HubConfig:
        """The same with folders and files made absolute; a program runs in the configuration's folder."""
        folder = self._path.parent
        servers = {
            name: server
            if server.command is None
            else server.model_copy(update={"cwd": str(folder / Path(server.cwd or ".").expanduser())})
            for name, server in config.servers.items()
        }
        gateway = config.gateway
        if gateway.token_file is not None:
            token_file = str(folder / Path(gateway.token_file).expanduser())
            gateway = gateway.model_copy(update={"token_file": token_file})
        return config.model_copy(update={"servers": servers, "gateway": gateway})


def with_gateway(loaded: LoadedConfig, **changes: object) -> LoadedConfig:
    """The same configuration with settings of the endpoint given on the command line."""
    return replace(
        loaded,
        config=loaded.config.model_copy(update={"gateway": _changed(loaded.config.gateway, changes)}),
        resolved=loaded.resolved.model_copy(update={"gateway": _changed(loaded.resolved.gateway, changes)}),
    )


def _changed(gateway: GatewaySettings, changes: Mapping[str, object]) -> GatewaySettings:
    return GatewaySettings.model_validate({**gateway.model_dump(), **changes})
