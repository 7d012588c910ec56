"""Put on the path of a process that is watched: writes down every connection and every name that is looked up."""

import os
import sys
from typing import Any

_WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
_log = os.open(os.environ["SOCKET_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _WATCHED:
        target = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[:2]
        os.write(_log, f"{event} {target!r}\n".encode())


sys.addaudithook(_watch)
