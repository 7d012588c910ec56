"""The accounts of the crash suite: what happened in the world against what the histories and the kills allow.

A step is in flight from its scheduling to its end, each attempt by itself; who has taken it on meanwhile stands in no
history. A kill is the time from before its signal until the process was gone. A request that was on its way when a kill
cut its attempt off may reach its server after the next attempt has ended the step; it counts as that kill's one more.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.agents.models.step import MODEL_STEP
from hub.agents.source_steps import CALL_STEP
from hub.workflows.sdk import history_pb
from tests.durable.crash_flows import effect, effect_after_a_limit, effect_at_second_try

Victim = Literal["worker", "sidecar", "hub"]
Span = tuple[float, float]

CLOCK_SLACK_S = 0.002
EFFECTFUL = {
    *(f"{each.__module__}:{each.__qualname__}" for each in (effect, effect_at_second_try, effect_after_a_limit)),
    *("teller.note", MODEL_STEP, CALL_STEP),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    victim: Victim
    span: Span


@dataclass(slots=True, kw_only=True)
class StepAccount:
    """One step with an effect."""

    through_hub: bool = False
    """A killed hub may make it come again; else the hub has no part in it."""
    over_network: bool = False
    """Its effect is a server's, and may come later than the attempt that asked for it was cut off."""
    attempts: list[Span] = field(default_factory=list[Span])
    finished_at: float | None = None


def accounts_of(events: Iterable[history_pb.HistoryEvent]) -> Mapping[str, StepAccount]:
    """The steps of one run that have an effect, by the key of the effect."""
    scheduled: dict[int, history_pb.HistoryEvent] = {}
    accounts: dict[str, StepAccount] = {}
    for each in events:
        if each.HasField("taskScheduled"):
            if each.taskScheduled.name in EFFECTFUL:
                scheduled[each.eventId] = each
            continue
        if each.HasField("taskCompleted"):
            start = scheduled.pop(each.taskCompleted.taskScheduledId, None)
        elif each.HasField("taskFailed"):
            start = scheduled.pop(each.taskFailed.taskScheduledId, None)
        else:
            continue
        if start is None:
            continue
        name = start.taskScheduled.name
        fresh = StepAccount(through_hub=name == CALL_STEP, over_network=name in (CALL_STEP, MODEL_STEP))
        account = accounts.setdefault(_effect_key(start), fresh)
        account.attempts.append((_seconds(start), _seconds(each)))
        if each.HasField("taskCompleted"):
            account.finished_at = _seconds(each)
    return accounts


def problems_of(
    accounts: Mapping[str, StepAccount], effects: Mapping[str, Sequence[float]], kills: Sequence[Kill]
) -> list[str]:
    """What breaks a promise: each step finishes, none comes again after that, before it one comes again once a kill."""
    problems = [f"{key}: {len(times)} effects of no step" for key, times in effects.items() if key not in accounts]
    for key, account in accounts.items():
        times = sorted(effects.get(key, ()))
        if account.finished_at is None:
            problems.append(f"{key}: never finished")
            continue
        if not times:
            problems.append(f"{key}: finished without its effect")
        hits = [kill for kill in kills if _is_hit(account, kill)]
        late = [at for at in times if at > account.finished_at + CLOCK_SLACK_S]
        if late and not (account.over_network and hits):
            problems.append(f"{key}: {len(late)} effects after it was finished, the last {late[-1]:f}, {account}")
        for number, at in enumerate(times):
            before = sum(1 for kill in hits if kill.span[0] <= at + CLOCK_SLACK_S)
            if before < number:
                problems.append(f"{key}: effect {number + 1} after {before} kills, {account}, {times}, {hits}")
    return problems


def _is_hit(account: StepAccount, kill: Kill) -> bool:
    if kill.victim == "hub" and not account.through_hub:
        return False
    begun, gone = kill.span
    return any(since - CLOCK_SLACK_S <= gone and begun <= until + CLOCK_SLACK_S for since, until in account.attempts)


def _effect_key(event: history_pb.HistoryEvent) -> str:
    """The step's own key; that of a call of a tool goes with the call."""
    payload: dict[str, Any] = json.loads(event.taskScheduled.input.value)
    if event.taskScheduled.name == CALL_STEP:
        return str(payload["args"]["params"]["_meta"]["hub/idempotencyKey"])
    return str(payload["key"])


def _seconds(event: history_pb.HistoryEvent) -> float:
    return event.timestamp.ToNanoseconds() / 1e9
