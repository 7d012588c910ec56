"""Each client, of either SDK and era, can do with each server what the protocol offers, through one hub."""

import re

import pytest

from tests.matrix.client_v2 import ClientV2
from tests.matrix.conftest import ObserveV1
from tests.matrix.pairings import LIMITS, SERVERS, limits_table, pairings_table
from tests.matrix.scenarios import EXPECTED, FEATURES, observe
from tests.tooling.hubs import RunningHub
from tests.tooling.locks import CHECKOUT

LEFT_OUT = {feature for limit in LIMITS for feature in limit.features}
CELLS = [(server, feature) for server in SERVERS for feature in FEATURES if feature not in LEFT_OUT]
MIN_CELLS = 45


def named(client: str) -> pytest.MarkDecorator:
    """Each server with each feature, under names that read like `modern client · sdk1-stdio · elicitation`."""
    return pytest.mark.parametrize(
        ("server", "feature"), [pytest.param(*cell, id=" · ".join([client, *cell])) for cell in CELLS]
    )


@named("sdk 1.30 client")
def test_sdk_1_client_through_the_hub(server: str, feature: str, observe_v1: ObserveV1) -> None:
    assert observe_v1(server, feature) == EXPECTED[feature]


@named("legacy client")
async def test_sdk_2_client_of_the_handshake_era_through_the_hub(
    server: str, feature: str, matrix_hub: RunningHub
) -> None:
    client = ClientV2()
    async with client.open(matrix_hub.url, "legacy"):
        assert client.client.protocol_version == "2025-11-25"
        assert await observe(feature, client, server) == EXPECTED[feature]


@named("modern client")
async def test_sdk_2_client_of_the_stateless_era_through_the_hub(
    server: str, feature: str, matrix_hub: RunningHub
) -> None:
    client = ClientV2()
    async with client.open(matrix_hub.url, "auto"):
        assert client.client.protocol_version == "2026-07-28"
        assert await observe(feature, client, server) == EXPECTED[feature]


def test_the_documented_table_is_the_one_that_is_tested() -> None:
    page = (CHECKOUT / "docs" / "pairings.md").read_text()
    tables = re.findall(r"(?:^\|.*\|$\n?)+", page, re.MULTILINE)

    assert [table.strip() for table in tables] == [pairings_table(list(FEATURES)), limits_table()]
    assert len(CELLS) >= MIN_CELLS
