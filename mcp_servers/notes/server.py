"""The notes server: which handler answers which method."""

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity

from mcp_servers.changes import ChangeFeed, ChangingServer
from mcp_servers.notes.prompts import NotePrompts
from mcp_servers.notes.resources import NoteResources
from mcp_servers.notes.store import NoteStore
from mcp_servers.notes.tools import NoteTools
from mcp_servers.serving import distribution_version

_STATIC = CacheHint(ttl_ms=3_600_000, scope="public")


def build_server(store: NoteStore) -> Server:
    """Build the server over an open store; it speaks both protocol eras on any transport."""
    changes = ChangeFeed()
    tools = NoteTools(store, changes)
    toolset = tools.toolset()
    resources = NoteResources(store, tools)
    prompts = NotePrompts(store, tools)
    server = ChangingServer(
        "notes",
        title="Notes",
        version=distribution_version(),
        instructions="Notes of one person: write them, tag them, find them again. Deleting asks first.",
        cache_hints={"tools/list": _STATIC, "prompts/list": _STATIC, "resources/templates/list": _STATIC},
        get_tool_input_schema=toolset.input_schema,
        on_list_tools=toolset.list,
        on_call_tool=toolset.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=changes.subscribe,
        on_unsubscribe_resource=changes.unsubscribe,
        on_subscriptions_listen=changes.listen,
        on_list_prompts=prompts.list,
        on_get_prompt=prompts.get,
        on_completion=resources.complete,
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience="notes"))
    server.middleware.append(changes.track)
    return server
