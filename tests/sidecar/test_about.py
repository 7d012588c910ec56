"""Metadata, health, and what the sidecar lacks."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import dapr.ext.workflow as wf
import grpc
import pytest
from dapr.clients import DaprClient

from tests.sidecar.processes import DaprApi, running_sidecar
from tests.sidecar.scenario import new_id, wait_until


def test_the_components_are_listed_with_what_they_can_do(dapr: DaprClient, dapr_api: DaprApi) -> None:
    components = {component.name: component for component in dapr.get_metadata().registered_components}
    assert {dapr_api.state_store, dapr_api.pubsub} <= components.keys()
    assert {"ETAG", "TRANSACTIONAL", "TTL"} <= set(components[dapr_api.state_store].capabilities)


def test_metadata_that_a_client_sets_is_told(dapr: DaprClient) -> None:
    key = new_id()
    dapr.set_metadata(key, "value")
    assert dapr.get_metadata().extended_metadata[key] == "value"


@pytest.mark.parametrize("path", ["/v1.0/healthz", "/v1.0/healthz/outbound"])
def test_health_is_answered_over_http(dapr_api: DaprApi, path: str) -> None:
    def is_answered() -> bool:
        try:
            with urllib.request.urlopen(f"http://{dapr_api.host}:{dapr_api.http_port}{path}", timeout=5) as answer:
                return answer.status == 204
        except urllib.error.HTTPError as error:  # Dapr is healthy only once its placement is
            error.close()
            return False

    wait_until(is_answered, f"{path} is answered with 204")


def test_another_path_is_not_found(dapr_api: DaprApi) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{dapr_api.host}:{dapr_api.http_port}/nothing", timeout=5)
    with caught.value as answer:
        assert answer.status == 404


def test_a_call_that_the_embedded_sidecar_lacks_is_named(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if not dapr_api.is_embedded:
        pytest.skip("Dapr has it")
    with pytest.raises(grpc.RpcError) as caught:
        dapr.get_secret("secretstore", "key")
    error: Any = caught.value
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "does not have GetSecret" in error.details()


def test_without_the_token_every_call_is_refused_and_health_is_not(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "s.db", environment={"DAPR_API_TOKEN": "s3cret"}) as sidecar:
        assert sidecar.api.is_healthy()
        client = wf.DaprWorkflowClient(host=sidecar.api.host, port=str(sidecar.api.grpc_port))
        with pytest.raises(grpc.RpcError) as caught:
            client.get_workflow_state("run")
        client.close()
        assert "UNAUTHENTICATED" in str(caught.value)
        assert "s3cret" not in str(caught.value) + sidecar.log_path.read_text()


def test_with_the_token_calls_are_answered(tmp_path: Path) -> None:
    with running_sidecar(tmp_path / "s.db", environment={"DAPR_API_TOKEN": "s3cret"}) as sidecar:
        channel: Any = grpc.insecure_channel(f"{sidecar.api.host}:{sidecar.api.grpc_port}")
        hello: Any = channel.unary_unary("/TaskHubSidecarService/Hello")
        with pytest.raises(grpc.RpcError):
            hello(b"", timeout=5, metadata=(("dapr-api-token", "wrong"),))
        assert hello(b"", timeout=5, metadata=(("dapr-api-token", "s3cret"),)) == b""
        channel.close()
