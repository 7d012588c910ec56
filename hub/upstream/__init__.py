"""The client side of MCP: one supervised actor for each upstream server, in both protocol eras."""

from hub.upstream.extension import Extension
from hub.upstream.links import Links, open_links
from hub.upstream.server import UpstreamServer, open_upstream
from hub.upstream.settings import ServerSettings

__all__ = ["Extension", "Links", "ServerSettings", "UpstreamServer", "open_links", "open_upstream"]
