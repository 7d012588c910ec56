"""The pairings of the matrix, what each runs on, and what one can't do by the specification."""

from dataclasses import dataclass
from typing import Literal

ClientName = Literal["sdk 1.30 client", "legacy client", "modern client"]
ServerName = Literal["sdk1-stdio", "sdk1-http", "sdk1-sse", "sdk2-stdio", "sdk2-http"]

CLIENTS: dict[ClientName, str] = {
    "sdk 1.30 client": "SDK 1.30, 2025-11-25",
    "legacy client": "SDK 2.3, 2025-11-25",
    "modern client": "SDK 2.3, 2026-07-28",
}
SERVERS: dict[ServerName, str] = {
    "sdk1-stdio": "SDK 1.30, stdio",
    "sdk1-http": "SDK 1.30, Streamable HTTP",
    "sdk1-sse": "SDK 1.30, HTTP+SSE",
    "sdk2-stdio": "SDK 2.3, stdio",
    "sdk2-http": "SDK 2.3, Streamable HTTP",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something that a pairing can't do, or does in another way, because the specification has it so."""

    what: str
    clients: str
    servers: str
    instead: str
    clause: str
    features: tuple[str, ...] = ()
    """Features of the matrix that are left out for it; none are."""


LIMITS = [
    Limit(
        what="`ping`",
        clients="2026-07-28",
        servers="any",
        instead="nothing; the hub watches its servers by itself (`/readyz`)",
        clause="2026-07-28 changelog, major change 5",
    ),
    Limit(
        what="`logging/setLevel` for a whole session",
        clients="2026-07-28",
        servers="any",
        instead="each request names its level in `_meta`; the messages come on that request's stream",
        clause="2026-07-28 changelog, major change 5",
    ),
    Limit(
        what="`notifications/roots/list_changed`",
        clients="2026-07-28",
        servers="any",
        instead="roots are asked for anew in each call",
        clause="2026-07-28 changelog, major change 5",
    ),
    Limit(
        what="`resources/subscribe`, and list changes without asking for them",
        clients="2026-07-28",
        servers="any",
        instead="`subscriptions/listen`; what an old server tells is passed on there",
        clause="2026-07-28 changelog, major change 4",
    ),
    Limit(
        what="a question (elicitation, sampling, roots) in the middle of a call",
        clients="2026-07-28",
        servers="any",
        instead="the call ends with `input_required` and is made again with the answers; the call of an old server "
        "waits in the hub meanwhile",
        clause="2026-07-28 basic/patterns/mrtr",
    ),
    Limit(
        what="two questions at the same time, from two calls that one process or connection of a server serves",
        clients="any",
        servers="2025-11-25 over stdio or HTTP+SSE",
        instead="a question does not say which call it belongs to: of one person's calls the likeliest is shown it, of "
        "several people's it is held until one call is left, at most 30 s, then refused. `sessions: N` gives calls "
        "processes of their own",
        clause="2025-11-25 basic/transports, stdio; client/elicitation",
    ),
    Limit(
        what="a question outside any call",
        clients="2026-07-28",
        servers="2025-11-25",
        instead="the server gets an error",
        clause="2026-07-28 basic/patterns/mrtr",
    ),
    Limit(
        what="`notifications/elicitation/complete` and `elicitationId`",
        clients="2026-07-28",
        servers="2025-11-25",
        instead="the client makes the call again",
        clause="2026-07-28 changelog, minor change 11",
    ),
    Limit(
        what="taking up a broken stream with `Last-Event-ID`",
        clients="2026-07-28",
        servers="any",
        instead="the request is made again",
        clause="2026-07-28 changelog, major change 9",
    ),
    Limit(
        what="state that a server keeps for a session",
        clients="2026-07-28",
        servers="2025-11-25",
        instead="the hub's own session with that server, which its stateless clients share",
        clause="2026-07-28 changelog, major change 1",
    ),
    Limit(
        what="`ttlMs` and `cacheScope` of lists and resources",
        clients="2025-11-25",
        servers="2026-07-28",
        instead="list changes are told",
        clause="2026-07-28 changelog, minor change 5",
    ),
    Limit(
        what="tasks (`io.modelcontextprotocol/tasks`)",
        clients="2025-11-25",
        servers="2026-07-28",
        instead="the server answers in the call, or refuses with -32021",
        clause="2026-07-28 changelog, major change 6",
    ),
]


def pairings_table(features: list[str]) -> str:
    """The pairings and the features that each is tested with, as Markdown."""
    left_out = {feature for limit in LIMITS for feature in limit.features}
    lines = ["| client | server | tested |", "|---|---|---|"]
    tested = ", ".join(feature for feature in features if feature not in left_out)
    for client in CLIENTS.values():
        lines.extend(f"| {client} | {server} | {tested} |" for server in SERVERS.values())
    return "\n".join(lines)


def limits_table() -> str:
    """What a pairing can't do, as Markdown."""
    lines = ["| what | client | server | instead | clause |", "|---|---|---|---|---|"]
    lines.extend(
        f"| {limit.what} | {limit.clients} | {limit.servers} | {limit.instead} | {limit.clause} |" for limit in LIMITS
    )
    return "\n".join(lines)
