"""What is with which worker, and under which completion token.

A token stands for one time of giving out: an answer under an older one is void.
"""

import secrets
import time
from dataclasses import dataclass

from .proto import service_pb
from .store import Turn
from .workers import WorkStream


@dataclass(slots=True, eq=False)
class OutTurn:
    """A turn that is with a worker."""

    turn: Turn
    token: str
    stream: WorkStream
    given_at: float
    has_more: bool = False
    """Something came in after the turn was put together."""
    is_saving: bool = False

    @property
    def run(self) -> int:
        return self.turn.run


@dataclass(slots=True, eq=False)
class OutActivity:
    """An activity that is with a worker."""

    run: int
    seq: int
    token: str
    stream: WorkStream
    item: service_pb.WorkItem
    is_saving: bool = False

    def is_answered_by(self, answer: service_pb.ActivityResponse) -> bool:
        request = self.item.activityRequest
        return request.workflowInstance.instanceId == answer.instanceId and request.taskId == answer.taskId


class Assignments:
    """The turns and activities that are out."""

    def __init__(self) -> None:
        self._turns: dict[int, OutTurn] = {}
        self._activities: dict[int, OutActivity] = {}
        self._turn_by_token: dict[str, OutTurn] = {}
        self._activity_by_token: dict[str, OutActivity] = {}
        self._token_prefix = secrets.token_hex(6)
        self._token_count = 0

    @property
    def turns(self) -> tuple[OutTurn, ...]:
        return tuple(self._turns.values())

    @property
    def count(self) -> int:
        return len(self._turns) + len(self._activities)

    def turn_of(self, run: int) -> OutTurn | None:
        return self._turns.get(run)

    def give_turn(self, turn: Turn, stream: WorkStream) -> OutTurn:
        stream.begin_lease()
        out = OutTurn(turn, self._new_token(), stream, time.monotonic())
        self._turns[turn.run] = self._turn_by_token[out.token] = out
        stream.turns.add(turn.run)
        return out

    def take_back_turn(self, out: OutTurn) -> None:
        out.stream.turns.discard(out.run)
        self._turn_by_token.pop(out.token, None)
        if self._turns.get(out.run) is out:
            del self._turns[out.run]

    def find_turn(self, answer: service_pb.WorkflowResponse) -> OutTurn | None:
        """The turn that is answered: by its token, or by its run where the worker gives none."""
        if answer.completionToken:
            return self._turn_by_token.get(answer.completionToken)
        return next((out for out in self._turns.values() if out.turn.run_id == answer.instanceId), None)

    def activity_of(self, seq: int) -> OutActivity | None:
        return self._activities.get(seq)

    def give_activity(self, run: int, seq: int, stream: WorkStream, item: service_pb.WorkItem) -> OutActivity:
        stream.begin_lease()
        out = OutActivity(run, seq, self._new_token(), stream, item)
        self._activities[seq] = self._activity_by_token[out.token] = out
        stream.activities.add(seq)
        return out

    def take_back_activity(self, out: OutActivity) -> None:
        out.stream.activities.discard(out.seq)
        self._activity_by_token.pop(out.token, None)
        if self._activities.get(out.seq) is out:
            del self._activities[out.seq]

    def find_activity(self, answer: service_pb.ActivityResponse) -> OutActivity | None:
        """The activity that is answered: by its token, or by run and task where the worker gives none."""
        if answer.completionToken:
            return self._activity_by_token.get(answer.completionToken)
        return next((out for out in self._activities.values() if out.is_answered_by(answer)), None)

    def _new_token(self) -> str:
        self._token_count += 1
        return f"{self._token_prefix}-{self._token_count}"
