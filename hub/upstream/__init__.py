"""The client side of MCP: one supervised actor for each upstream server, in both protocol eras."""

from hub.upstream.adapter import Adapter, EntrySettings, KeyStore, Recognised, Surroundings
from hub.upstream.extension import Extension
from hub.upstream.links import Links, open_links
from hub.upstream.server import UpstreamServer, open_upstream
from hub.upstream.settings import ServerSettings

__all__ = [
    "Adapter",
    "EntrySettings",
    "Extension",
    "KeyStore",
    "Links",
    "Recognised",
    "ServerSettings",
    "Surroundings",
    "UpstreamServer",
    "open_links",
    "open_upstream",
]
