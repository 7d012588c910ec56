"""The composition root of the hub."""

from hub.app.connecting import connect
from hub.app.hub import VERSION, Hub, open_hub
from hub.app.serving import serve
from hub.app.target import Target, open_target

__all__ = ["VERSION", "Hub", "Target", "connect", "open_hub", "open_target", "serve"]
