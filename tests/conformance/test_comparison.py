"""The comparison of two runs of the suite sees every way in which one can be worse."""

from tests.conformance.suite import Check, Report, Status, failures, losses


def report(**statuses: Status) -> Report:
    return {
        ("scenario", id_): Check(scenario="scenario", id=id_, status=status, message="told why")
        for id_, status in statuses.items()
    }


def test_an_empty_run_is_not_as_good_as_any_other() -> None:
    assert losses(report(one="SUCCESS"), {}) == ["not made through the hub: SUCCESS scenario · one: told why"]


def test_a_check_that_turns_to_a_failure_or_a_warning_is_a_loss() -> None:
    direct = report(one="SUCCESS", two="SUCCESS", three="WARNING")

    assert losses(direct, report(one="FAILURE", two="WARNING", three="FAILURE")) == [
        "direct SUCCESS, through the hub FAILURE scenario · one: told why",
        "direct SUCCESS, through the hub WARNING scenario · two: told why",
        "direct WARNING, through the hub FAILURE scenario · three: told why",
    ]


def test_a_failure_that_is_made_only_through_the_hub_is_a_loss() -> None:
    through_hub = report(one="SUCCESS", two="FAILURE", three="INFO")

    assert losses(report(one="SUCCESS"), through_hub) == ["only through the hub: FAILURE scenario · two: told why"]


def test_what_fails_direct_may_fail_through_the_hub() -> None:
    direct = report(one="FAILURE", two="WARNING")

    assert losses(direct, direct) == []
    assert [check.id for check in failures(direct)] == ["one"]
