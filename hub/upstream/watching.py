"""What is watched at a server, and who is told of its changes."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from anyio.abc import TaskGroup

from hub.catalog.provider import Change, Json, Kind, Listener
from hub.errors import HubError
from hub.upstream.connection import Connection
from hub.upstream.list_cache import ListCache

MAX_WATCHED_TASKS: Final = 1000

_LIST_CHANGES: Final[dict[str, tuple[Kind, ...]]] = {
    "notifications/tools/list_changed": ("tools",),
    "notifications/prompts/list_changed": ("prompts",),
    "notifications/resources/list_changed": ("resources", "templates"),
}
_PASSED_ON: Final = frozenset({"notifications/tasks", "notifications/elicitation/complete"})
_TASK_ENDS: Final = frozenset({"completed", "failed", "cancelled"})


class Watching:
    """Resources and tasks that are watched on each connection, also on those that come later."""

    def __init__(
        self,
        lists: ListCache,
        standing: Callable[[], Sequence[Connection]],
        tasks: TaskGroup,
        logger: logging.Logger,
    ) -> None:
        self._lists = lists
        self._standing = standing
        self._tasks = tasks
        self._logger = logger
        self._listeners: dict[object, Listener] = {}
        self._uris: frozenset[str] = frozenset()
        self._task_ids: dict[str, None] = {}

    @property
    def uris(self) -> frozenset[str]:
        """Resources that are watched."""
        return self._uris

    def add(self, listener: Listener) -> Callable[[], None]:
        """Have a listener told of each change; returns what ends that."""
        token = object()
        self._listeners[token] = listener

        def remove() -> None:
            self._listeners.pop(token, None)

        return remove

    def tell(self, change: Change) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener(change)
            except Exception:
                self._logger.exception("a listener did not take a change")

    def receive(self, method: str, params: Json) -> None:
        """Take a notification that belongs to no call."""
        if method in _LIST_CHANGES:
            for kind in _LIST_CHANGES[method]:
                self._lists.drop(kind)
                if kind == "tools":
                    self._forget_tools()
                self.tell(Change(what=kind))
        elif method == "notifications/resources/updated":
            uri: object = params.get("uri")
            if isinstance(uri, str):
                self.tell(Change(what="resource_updated", uri=uri))
        elif method in _PASSED_ON:
            self.tell(Change(what="notification", message={"method": method, "params": params}))

    async def watch_resources(self, uris: frozenset[str]) -> None:
        """Watch these resources and no others.

        Raises:
            HubError: a connection does not; then what was watched before counts as watched.
        """
        for connection in self._standing():
            await connection.watch_resources(uris)
        self._uris = uris

    def follow_task(self, body: Json) -> None:
        """Have a task's changes told until it has ended."""
        task_id: object = body.get("taskId")
        if not isinstance(task_id, str):
            return
        if body.get("status") in _TASK_ENDS:
            self._task_ids.pop(task_id, None)
        else:
            self._task_ids[task_id] = None
            if len(self._task_ids) > MAX_WATCHED_TASKS:
                del self._task_ids[next(iter(self._task_ids))]
        for connection in self._standing():
            connection.watch_tasks(frozenset(self._task_ids))

    def resume(self, connection: Connection) -> None:
        """Watch on a new connection what is watched."""
        if self._uris:
            self._tasks.start_soon(self._watch_again, connection)
        connection.watch_tasks(frozenset(self._task_ids))

    async def _watch_again(self, connection: Connection) -> None:
        try:
            await connection.watch_resources(self._uris)
        except HubError as error:
            self._logger.warning("its resources are not watched any more: %s", error)

    def _forget_tools(self) -> None:
        for connection in self._standing():
            connection.forget_tools()
