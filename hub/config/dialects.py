"""Configurations as other MCP clients write them, translated to the form of hub.yaml.

`mcpServers` is what Claude Desktop, Claude Code, Cursor, Windsurf and Gemini write; `servers` with `type` and
`inputs` is what VS Code writes. What a file says about its client (approvals, descriptions) is kept out with a note.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from hub.catalog.naming import RESERVED_PREFIX
from hub.config.document import Document, KeyPath, Mistakes
from hub.config.dotenv import read_dotenv
from hub.config.references import escaped
from hub.upstream.settings import TRANSPORT_NAMES, ServerSettings

_SAME = {
    "command": "command",
    "args": "args",
    "env": "env",
    "cwd": "cwd",
    "url": "url",
    "serverUrl": "url",
    "httpUrl": "url",
    "headers": "headers",
    "disabledTools": "hide",
    "excludeTools": "hide",
    "enabledTools": "tools",
    "includeTools": "tools",
}
_VARIABLE = re.compile(
    r"\$\{(?P<scheme>env|input|workspaceFolder|workspaceFolderBasename|userHome|pathSeparator|/)"
    r"(?::(?P<name>[^}]*))?\}"
)
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """A file of another client in the form of hub.yaml."""

    document: Document
    notes: tuple[str, ...] = ()
    overlays: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """For a server: the variables of its environment file, which go before the hub's own."""
    asked: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables that stand for a question which the client would ask, with the words of the question."""
    files: tuple[Path, ...] = ()
    """Environment files that were read."""


def servers_path(document: Document, *, is_json: bool) -> KeyPath | None:
    """Where the servers of another client's file stand; None for the hub's own form."""
    if not isinstance(document.value, dict):
        return None
    root = cast("dict[str, object]", document.value)
    for path in (("mcpServers",), ("mcp", "servers")):
        if isinstance(_at(root, path), dict):
            return path
    servers = _at(root, ("servers",))
    if not is_json or not isinstance(servers, dict):
        return None
    if "inputs" in root:
        return ("servers",)
    own = set(ServerSettings.model_fields)
    for entry in cast("dict[str, object]", servers).values():
        if isinstance(entry, dict) and set(cast("dict[str, object]", entry)) - own:
            return ("servers",)
    return None


def translate(document: Document, path: KeyPath, file: Path, to: Mistakes) -> Translated:
    """Bring the servers at `path` into the form of hub.yaml; mistakes are noted, not raised."""
    return _Translation(document, path, file, to).run()


class _Translation:
    def __init__(self, document: Document, path: KeyPath, file: Path, to: Mistakes) -> None:
        self._document, self._path, self._file, self._to = document, path, file, to
        self._origins: dict[KeyPath, KeyPath] = {("servers",): path}
        self._notes: list[str] = []
        self._overlays: dict[str, Mapping[str, str]] = {}
        self._asked: dict[str, str] = {}
        self._files: list[Path] = []
        self._inputs = self._input_descriptions()
        folder = file.parent
        self._workspace = folder.parent if folder.name in (".vscode", ".cursor") else folder

    def run(self) -> Translated:
        root = cast("dict[str, object]", self._document.value)
        self._note_left_out("the file", [key for key in root if key not in (self._path[0], "inputs")])
        servers: dict[str, object] = {}
        for own_name, entry in cast("dict[str, object]", _at(root, self._path)).items():
            name = self._name(own_name, servers)
            self._origins["servers", name] = (*self._path, own_name)
            servers[name] = self._entry(name, own_name, entry)
        return Translated(
            document=Document(value={"servers": servers}, lines=self._document.lines, origins=self._origins),
            notes=tuple(self._notes),
            overlays=self._overlays,
            asked=self._asked,
            files=tuple(self._files),
        )

    def _name(self, own_name: str, taken: Mapping[str, object]) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", own_name)[:40] or "server"
        if name == RESERVED_PREFIX:
            name += "_"
        stem, number = name[:36], 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        if name != own_name:
            self._notes.append(f"server `{own_name}` is called `{name}` here: names have A-Z a-z 0-9 _ - only")
        return name

    def _entry(self, name: str, own_name: str, entry: object) -> object:
        if not isinstance(entry, dict):
            return entry
        made: dict[str, object] = {}
        left_out: list[str] = []
        for key, value in cast("dict[str, object]", entry).items():
            here: KeyPath = (*self._path, own_name, key)
            if value is None:
                continue
            match key:
                case "type" | "transport":
                    self._transport(made, name, value, here)
                case "disabled":
                    made["enabled"] = not value if isinstance(value, bool) else value
                    self._origins["servers", name, "enabled"] = here
                case "envFile":
                    self._env_file(made, name, value, here)
                case _ if key in _SAME:
                    self._take(made, name, key, value)
                case _:
                    left_out.append(key)
        if "transport" not in made and isinstance(url := made.get("url"), str) and url.rstrip("/").endswith("/sse"):
            made["transport"] = "sse"
            self._notes.append(f"server `{name}` is taken for the old HTTP+SSE transport, by the end of its URL")
        if "command" in made and "cwd" not in made and self._workspace != self._file.parent:
            made["cwd"] = escaped(str(self._workspace))
        self._note_left_out(f"server `{name}`", left_out)
        return made

    def _take(self, made: dict[str, object], name: str, key: str, value: object) -> None:
        field_name = _SAME[key]
        self._origins["servers", name, field_name] = (*self._document.in_file(self._origins["servers", name]), key)
        if field_name in ("env", "headers") and isinstance(value, dict):
            earlier = cast("dict[str, object]", made.get(field_name, {}))
            texts = {k: _as_text(v) for k, v in cast("dict[str, object]", value).items() if v is not None}
            value = {**earlier, **texts}
        made[field_name] = self._variables(value)

    def _transport(self, made: dict[str, object], name: str, value: object, here: KeyPath) -> None:
        if isinstance(value, str) and value in TRANSPORT_NAMES:
            made["transport"] = TRANSPORT_NAMES[value]
            self._origins["servers", name, "transport"] = here
        else:
            wrong = f"found {json.dumps(value)[:60]}; expected stdio, http, streamable-http or sse; correct it"
            self._to.add(self._document, here, wrong)

    def _env_file(self, made: dict[str, object], name: str, value: object, here: KeyPath) -> None:
        if not isinstance(value, str):
            self._to.add(self._document, here, "found no text; expected the path of a file; correct it")
            return
        text = cast("str", self._variables(value)).replace("$$", "$")
        file = self._workspace / Path(text).expanduser()
        self._files.append(file)
        try:
            found = read_dotenv(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            wrong = f"found no readable file `{value}`; expected NAME=value lines; make the file or remove the key"
            self._to.add(self._document, here, wrong)
            return
        self._overlays[name] = found
        made["env"] = {key: f"${{{key}}}" for key in found} | cast("dict[str, object]", made.get("env", {}))

    def _variables(self, value: object) -> object:
        """The value with `${env:NAME}` and its like as references of hub.yaml."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self._variables(item) for item in cast("list[object]", value)]
        if isinstance(value, dict):
            return {key: self._variables(item) for key, item in cast("dict[str, object]", value).items()}
        return value

    def _text(self, text: str) -> str:
        made, end = "", 0
        for match in _VARIABLE.finditer(text):
            made += _kept(text[end : match.start()]) + self._reference(match["scheme"], match["name"] or "")
            end = match.end()
        return made + _kept(text[end:])

    def _reference(self, scheme: str, name: str) -> str:
        match scheme:
            case "env":
                return f"${{{name}}}"
            case "input":
                variable = re.sub(r"[^A-Za-z0-9_]", "_", name).upper()
                variable = f"INPUT_{variable}" if not variable[:1].isalpha() else variable
                self._asked[variable] = self._inputs.get(name, name)
                return f"${{{variable}}}"
            case "workspaceFolder":
                return escaped(str(self._workspace))
            case "workspaceFolderBasename":
                return escaped(self._workspace.name)
            case "userHome":
                return escaped(str(Path.home()))
            case _:
                return "/"

    def _input_descriptions(self) -> dict[str, str]:
        inputs = _at(self._document.value, (*self._path[:-1], "inputs"))
        found: dict[str, str] = {}
        for entry in cast("list[object]", inputs) if isinstance(inputs, list) else []:
            if isinstance(entry, dict):
                values = cast("dict[str, object]", entry)
                found[str(values.get("id"))] = str(values.get("description") or values.get("id"))
        return found

    def _note_left_out(self, owner: str, keys: list[str]) -> None:
        if keys:
            more = f" and {len(keys) - _MAX_NAMED} more" if len(keys) > _MAX_NAMED else ""
            named = ", ".join(f"`{key}`" for key in keys[:_MAX_NAMED])
            self._notes.append(f"{owner}: left out {named}{more}, which the hub does not use")


def _kept(text: str) -> str:
    """Text of a dialect that knows `${NAME}` and has no way to write a `$` twice."""
    return text.replace("$$", "$$$$")


def _as_text(value: object) -> object:
    return json.dumps(value) if isinstance(value, bool | int | float) else value


def _at(value: object, path: KeyPath) -> object:
    for part in path:
        value = cast("dict[object, object]", value).get(part) if isinstance(value, dict) else None
    return value
