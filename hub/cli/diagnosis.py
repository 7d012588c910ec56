"""The checks behind `hub doctor`, each with what to do if it fails."""

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx

from hub.app import Target, open_target
from hub.catalog.provider import Json
from hub.config import LoadedConfig, Places, adapter_entries, base_env, enabled_servers
from hub.config.document import shown_path
from hub.upstream.settings import ServerSettings

_CONNECT_S = 5.0
_PROGRAMS = {
    "uvx": "install uv (`pip install uv`)",
    "uv": "install uv (`pip install uv`)",
    "npx": "install Node.js, which brings npx",
    "node": "install Node.js",
    "docker": "install Docker, or run the server another way",
    "python": "name python3, or the interpreter's whole path",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one server."""

    server: str
    check: str
    ok: bool
    text: str
    advice: str = ""

    def to_json(self) -> Json:
        return {key: value for key, value in asdict(self).items() if value != ""}


async def diagnose(loaded: LoadedConfig, places: Places) -> list[Finding]:
    """Check every enabled server and every entry of the adapters' sections, in the order of the file."""
    servers, entries = enabled_servers(loaded.resolved), adapter_entries(loaded.sections)
    found: dict[str, list[Finding]] = {name: [] for name in (*servers, *entries)}
    async with anyio.create_task_group() as group:
        for name, server in servers.items():
            group.start_soon(_check_way, loaded, name, server, found[name])
    async with open_target(loaded, places) as target:
        states = {str(state["name"]): state for state in await target.servers()}
        for name in found:
            entry = entries.get(name)
            check = "mcp" if entry is None else entry.section
            found[name].append(_negotiation(name, states.get(name), places, check))
        for finding in (*await _withheld(target), *_schemas(target)):
            found.setdefault(finding.server, []).append(finding)
    return [finding for findings in found.values() for finding in findings]


async def _check_way(loaded: LoadedConfig, name: str, server: ServerSettings, to: list[Finding]) -> None:
    if server.command is not None:
        to.append(_command(loaded, name, server))
    elif server.url is not None:
        to.append(await _address(loaded, name, server.url))


def _command(loaded: LoadedConfig, name: str, server: ServerSettings) -> Finding:
    command = server.command or ""
    place = f"{shown_path(loaded.path)}:{loaded.line('servers', name, 'command')}"
    folder = Path(server.cwd or ".")
    if not folder.is_dir():
        text = f"there is no folder {folder}"
        place = f"{shown_path(loaded.path)}:{loaded.line('servers', name, 'cwd')}"
        return Finding(server=name, check="folder", ok=False, text=text, advice=f"correct `cwd` ({place})")
    path = server.env.get("PATH") or base_env().get("PATH") or os.defpath
    file = str(folder / command) if os.sep in command and not Path(command).is_absolute() else command
    program = shutil.which(file, path=path)
    if program is not None:
        return Finding(server=name, check="command", ok=True, text=f"{command} is {program}")
    known = _PROGRAMS.get(Path(command).name)
    advice = f"{known}, or correct `command` ({place})" if known else f"install it, or correct `command` ({place})"
    return Finding(server=name, check="command", ok=False, text=f"{command} was not found", advice=advice)


async def _address(loaded: LoadedConfig, name: str, url: str) -> Finding:
    """Whether something answers HTTP there; any status will do, the negotiation looks further."""
    place = f"{shown_path(loaded.path)}:{loaded.line('servers', name, 'url')}"
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        async with httpx.AsyncClient(timeout=_CONNECT_S, follow_redirects=False, trust_env=False) as client:
            response = await client.options(url)
    except httpx.TimeoutException:
        text, advice = f"{host} did not answer within {_CONNECT_S:g} s", f"start the server, or correct `url` ({place})"
        return Finding(server=name, check="address", ok=False, text=text, advice=advice)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        text = f"{host} can't be reached ({type(error).__name__})"
        advice = f"start the server, or correct `url` ({place})"
        return Finding(server=name, check="address", ok=False, text=text, advice=advice)
    if response.status_code in (401, 403):
        text = f"{host} wants to know who calls (status {response.status_code})"
        advice = f"set `headers:` with `Authorization: Bearer ${{NAME}}` ({place}), or renew the token"
        return Finding(server=name, check="address", ok=False, text=text, advice=advice)
    return Finding(server=name, check="address", ok=True, text=f"{host} answers")


def _negotiation(name: str, state: Json | None, places: Places, check: str) -> Finding:
    if state is None:
        advice = "restart it, or send it SIGHUP"
        return Finding(server=name, check=check, ok=False, text="the running hub does not have it", advice=advice)
    if state.get("phase") != "ready":
        text = str(state.get("problem") or f"it is {state.get('phase')}")
        advice = f"read what it wrote: hub logs {name}" if places.log_of(name).exists() else ""
        return Finding(server=name, check=check, ok=False, text=text, advice=advice)
    tools = state.get("tools", 0)
    if check != "mcp":
        return Finding(server=name, check=check, ok=True, text=f"{tools} tools")
    text = f"speaks {state.get('protocolVersion', 'MCP')} ({state.get('era', 'unknown')} era), {tools} tools"
    return Finding(server=name, check=check, ok=True, text=text)


async def _withheld(target: Target) -> list[Finding]:
    advice = "set another `prefix`"
    return [
        Finding(server=item["newcomer"], check="names", ok=False, text=item["problem"], advice=advice)
        for item in await target.withheld()
    ]


def _schemas(target: Target) -> list[Finding]:
    found: list[Finding] = []
    for entry in target.catalog.index.entries("tools"):
        tool = target.catalog.tool(entry.name)
        tool.schema.compile()
        if tool.schema.problem is not None:
            text = f"{entry.name}: {tool.schema.problem}"
            advice = "tell the server's authors; calls go through unchecked"
            found.append(Finding(server=tool.provider.name, check="schema", ok=False, text=text, advice=advice))
    return found
