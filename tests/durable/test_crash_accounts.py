"""The check of the crash suite finds each kind of broken promise."""

from collections.abc import Sequence

from tests.durable.crash_accounts import Kill, StepAccount, Victim, problems_of


def problems(
    times: Sequence[float],
    *kills: tuple[Victim, float],
    attempts: Sequence[tuple[float, float]] = ((10.0, 20.0),),
    through_hub: bool = False,
    over_network: bool = False,
    finished: bool = True,
) -> list[str]:
    """What is found of one step; without what follows the colon."""
    account = StepAccount(
        through_hub=through_hub,
        over_network=over_network,
        attempts=[*attempts],
        finished_at=attempts[-1][1] if finished else None,
    )
    killed = [Kill(victim=victim, span=(at, at + 0.01)) for victim, at in kills]
    return [
        each.partition(": ")[2].partition(",")[0]
        for each in problems_of({"run/step": account}, {"run/step": times}, killed)
    ]


async def test_a_step_may_have_its_effect_once_and_once_more_for_each_kill_in_flight_before_it() -> None:
    assert problems([11]) == []
    assert problems([11, 13], ("worker", 12)) == []
    assert problems([11, 13, 15], ("worker", 12), ("sidecar", 14)) == []
    assert problems([13, 14], ("sidecar", 12)) == [], "the killed sidecar's worker goes on, and another one takes it"


async def test_an_effect_that_no_kill_explains_is_found() -> None:
    assert problems([11, 13]) == ["effect 2 after 0 kills"]
    assert problems([11, 13], ("worker", 9)) == ["effect 2 after 0 kills"], "the kill was before it was scheduled"
    assert problems([11, 13], ("worker", 14)) == ["effect 2 after 0 kills"], "the kill came later"
    assert problems([11, 13, 15], ("worker", 12)) == ["effect 3 after 1 kills"]


async def test_a_killed_hub_explains_calls_through_it_alone() -> None:
    assert problems([11, 13], ("hub", 12), through_hub=True) == []
    assert problems([11, 13], ("hub", 12)) == ["effect 2 after 0 kills"]


async def test_a_kill_between_two_attempts_explains_nothing() -> None:
    attempts = ((10.0, 11.0), (15.0, 20.0))
    assert problems([10.5, 16], ("worker", 10.6), attempts=attempts) == []
    assert problems([10.5, 16], ("worker", 13), attempts=attempts) == ["effect 2 after 0 kills"]


async def test_a_finished_step_that_is_repeated_is_found() -> None:
    assert problems([11, 21], ("worker", 12)) == ["1 effects after it was finished"]


async def test_a_request_that_a_kill_left_on_its_way_may_come_late_and_no_other() -> None:
    assert problems([11, 21], ("worker", 12), over_network=True) == []
    assert problems([11, 21], ("hub", 12), over_network=True, through_hub=True) == []
    assert problems([21], over_network=True) == ["1 effects after it was finished"]
    assert problems([11, 21, 22], ("worker", 12), over_network=True) == ["effect 3 after 1 kills"]
    assert problems([11, 22], ("worker", 21), over_network=True)[0] == "1 effects after it was finished"


async def test_a_lost_effect_and_a_lost_step_are_found() -> None:
    assert problems([]) == ["finished without its effect"]
    assert problems([11], finished=False) == ["never finished"]
    assert problems_of({}, {"run/unknown": [1.0]}, []) == ["run/unknown: 1 effects of no step"]
