"""The papers server: which handler answers which method."""

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server

from mcp_servers.papers.arxiv import Arxiv
from mcp_servers.papers.resources import PaperResources
from mcp_servers.papers.tools import PaperTools
from mcp_servers.serving import distribution_version

_STATIC = CacheHint(ttl_ms=3_600_000, scope="public")


def build_server(arxiv: Arxiv) -> Server:
    """Build the server over an open client of arXiv; it speaks both protocol eras on any transport."""
    toolset = PaperTools(arxiv).toolset()
    resources = PaperResources(arxiv)
    return Server(
        "papers",
        title="Papers",
        version=distribution_version(),
        instructions="Papers on arXiv: search them, read abstracts. arXiv wants few requests, so some calls wait.",
        cache_hints={
            "tools/list": _STATIC,
            "resources/list": _STATIC,
            "resources/templates/list": _STATIC,
            "resources/read": _STATIC,
        },
        get_tool_input_schema=toolset.input_schema,
        on_list_tools=toolset.list,
        on_call_tool=toolset.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
    )
