"""Which provider a task belongs to, and under which id clients know it."""

from collections import OrderedDict
from dataclasses import dataclass

from hub.errors import UnknownNameError

_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class TaskOwner:
    """Where a task runs and who may see it."""

    provider_name: str
    own_id: str
    identity: str


class TaskOwners:
    """Task ids as clients know them; an id that two servers share is rewritten and mapped back.

    Source: MCP extension io.modelcontextprotocol/tasks.
    """

    def __init__(self) -> None:
        self._owners: OrderedDict[str, TaskOwner] = OrderedDict()

    def register(self, provider_name: str, own_id: str, identity: str) -> str:
        """Remember a task and return its public id."""
        owner = TaskOwner(provider_name, own_id, identity)
        public_id = own_id
        if self._owners.get(own_id, owner).provider_name != provider_name:
            public_id = f"{provider_name}:{own_id}"
        self._owners[public_id] = owner
        self._owners.move_to_end(public_id)
        while len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)
        return public_id

    def find(self, public_id: str, identity: str) -> TaskOwner | None:
        """The owner, or None where this hub has not seen the task (it may be older than the hub).

        Raises:
            UnknownNameError: the task belongs to somebody else, who is not told apart from nobody.
        """
        owner = self._owners.get(public_id)
        if owner is not None and owner.identity != identity:
            raise unknown_task(public_id)
        return owner

    def public_id(self, provider_name: str, own_id: str) -> str:
        """The id under which clients know a provider's task."""
        rewritten = f"{provider_name}:{own_id}"
        return rewritten if rewritten in self._owners else own_id


def unknown_task(public_id: str) -> UnknownNameError:
    """The error for a task that nobody has."""
    return UnknownNameError(f"there is no task {public_id[:128]!r}; it may have ended and been forgotten")
