"""What `/readyz` and `hub servers` say: each provider's state, and the names that are withheld."""

from dataclasses import asdict

from hub.catalog.catalog import Catalog
from hub.catalog.provider import Json
from hub.catalog.section import KINDS, Section


def readiness(catalog: Catalog) -> tuple[bool, Json]:
    """Whether no provider is still starting, and the state of each.

    Returns:
        `(is_ready, body)`; a provider that is down does not make the hub unready, since the others are served.
    """
    servers = [server_state(catalog, section) for section in catalog.index.sections.values()]
    is_ready = catalog.is_filled and all(server["phase"] != "starting" for server in servers)
    withheld = [{**asdict(item), "problem": str(item)} for kind in KINDS for item in catalog.index.withheld[kind]]
    return is_ready, {"status": "ready" if is_ready else "starting", "servers": servers, "withheld": withheld}


def server_state(catalog: Catalog, section: Section) -> Json:
    """One provider's state as JSON; absent where it does not apply."""
    state = section.provider.state
    tools = [entry for entry in catalog.index.entries("tools") if entry.provider is section.provider]
    shown: Json = {
        "name": section.name,
        "phase": state.phase,
        "since": state.since.isoformat(),
        "nextTryAt": None if state.next_try_at is None else state.next_try_at.isoformat(),
        "era": state.era,
        "protocolVersion": state.protocol_version,
        "serverInfo": state.server_info,
        "tools": len(tools),
        "problem": state.problem,
    }
    return {key: value for key, value in shown.items() if value is not None}
