"""The state store."""

import threading

import grpc
import pytest
from dapr.clients import DaprClient
from dapr.clients.exceptions import DaprGrpcError
from dapr.clients.grpc._request import TransactionalStateOperation, TransactionOperationType
from dapr.clients.grpc._state import Concurrency, Consistency, StateItem, StateOptions

from tests.sidecar.processes import DaprApi
from tests.sidecar.scenario import new_id, wait_until

FIRST_WRITE = StateOptions(consistency=Consistency.strong, concurrency=Concurrency.first_write)


def test_a_value_that_was_saved_is_read_back(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, '{"a": 1}')
    assert dapr.get_state(dapr_api.state_store, key).data == b'{"a": 1}'


def test_a_key_that_is_not_there_is_empty(dapr: DaprClient, dapr_api: DaprApi) -> None:
    found = dapr.get_state(dapr_api.state_store, new_id())
    assert (found.data, found.etag) == (b"", "")


def test_a_deleted_value_is_gone(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "1")
    dapr.delete_state(dapr_api.state_store, key)
    assert dapr.get_state(dapr_api.state_store, key).data == b""


def test_deleting_what_is_not_there_is_no_error(dapr: DaprClient, dapr_api: DaprApi) -> None:
    dapr.delete_state(dapr_api.state_store, new_id())


def test_each_write_changes_the_etag(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "1")
    first = dapr.get_state(dapr_api.state_store, key).etag
    dapr.save_state(dapr_api.state_store, key, "1")
    assert dapr.get_state(dapr_api.state_store, key).etag != first


def test_a_write_with_the_present_etag_goes_through(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "1")
    etag = dapr.get_state(dapr_api.state_store, key).etag
    dapr.save_state(dapr_api.state_store, key, "2", etag=etag, options=FIRST_WRITE)
    assert dapr.get_state(dapr_api.state_store, key).data == b"2"


def test_a_write_with_an_old_etag_is_refused(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "1")
    old = dapr.get_state(dapr_api.state_store, key).etag
    dapr.save_state(dapr_api.state_store, key, "2")
    with pytest.raises(DaprGrpcError) as caught:
        dapr.save_state(dapr_api.state_store, key, "3", etag=old, options=FIRST_WRITE)
    assert caught.value.code() == grpc.StatusCode.ABORTED
    assert dapr.get_state(dapr_api.state_store, key).data == b"2"


def test_a_delete_with_an_old_etag_is_refused(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "1")
    old = dapr.get_state(dapr_api.state_store, key).etag
    dapr.save_state(dapr_api.state_store, key, "2")
    with pytest.raises(DaprGrpcError) as caught:
        dapr.delete_state(dapr_api.state_store, key, etag=old, options=FIRST_WRITE)
    assert caught.value.code() == grpc.StatusCode.ABORTED
    assert dapr.get_state(dapr_api.state_store, key).data == b"2"


def test_the_first_write_without_an_etag_wins(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "first", options=FIRST_WRITE)
    with pytest.raises(DaprGrpcError):
        dapr.save_state(dapr_api.state_store, key, "second", options=FIRST_WRITE)
    assert dapr.get_state(dapr_api.state_store, key).data == b"first"


def test_counting_with_etags_from_many_threads_loses_nothing(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    dapr.save_state(dapr_api.state_store, key, "0")

    def increment() -> None:
        done = 0
        while done < 10:
            found = dapr.get_state(dapr_api.state_store, key)
            try:
                dapr.save_state(
                    dapr_api.state_store, key, str(int(found.data) + 1), etag=found.etag, options=FIRST_WRITE
                )
            except DaprGrpcError:
                continue
            done += 1

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dapr.get_state(dapr_api.state_store, key).data == b"40"


def test_many_values_are_saved_and_read_at_once(dapr: DaprClient, dapr_api: DaprApi) -> None:
    keys = [new_id() for _ in range(5)]
    dapr.save_bulk_state(dapr_api.state_store, [StateItem(key, str(n)) for n, key in enumerate(keys)])
    found = dapr.get_bulk_state(dapr_api.state_store, [*keys, "missing"])
    assert {item.key: item.data for item in found.items} == {
        **{key: str(n).encode() for n, key in enumerate(keys)},
        "missing": b"",
    }


def test_a_transaction_writes_and_deletes_together(dapr: DaprClient, dapr_api: DaprApi) -> None:
    written, deleted = new_id(), new_id()
    dapr.save_state(dapr_api.state_store, deleted, "1")
    dapr.execute_state_transaction(
        dapr_api.state_store,
        [
            TransactionalStateOperation(key=written, data="new"),
            TransactionalStateOperation(key=deleted, operation_type=TransactionOperationType.delete),
        ],
    )
    store = dapr_api.state_store
    assert (dapr.get_state(store, written).data, dapr.get_state(store, deleted).data) == (b"new", b"")


def test_a_transaction_with_an_old_etag_writes_nothing(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if dapr_api.kind == "daprd-redis":
        pytest.skip("Dapr's Redis store writes what comes before the operation that is refused")
    guarded, other = new_id(), new_id()
    dapr.save_state(dapr_api.state_store, guarded, "1")
    old = dapr.get_state(dapr_api.state_store, guarded).etag
    dapr.save_state(dapr_api.state_store, guarded, "2")
    with pytest.raises(DaprGrpcError):
        dapr.execute_state_transaction(
            dapr_api.state_store,
            [
                TransactionalStateOperation(key=other, data="never"),
                TransactionalStateOperation(key=guarded, data="3", etag=old),
            ],
        )
    store = dapr_api.state_store
    assert (dapr.get_state(store, other).data, dapr.get_state(store, guarded).data) == (b"", b"2")


def test_a_value_is_gone_when_its_time_is_over(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key = new_id()
    # Dapr's SQLite store counts in whole seconds of the clock: the first may be over at once.
    dapr.save_state(dapr_api.state_store, key, "short", state_metadata={"ttlInSeconds": "2"})
    assert dapr.get_state(dapr_api.state_store, key).data == b"short"
    wait_until(lambda: dapr.get_state(dapr_api.state_store, key).data == b"", "the value has expired")


def test_a_later_write_without_a_time_to_live_stays(dapr: DaprClient, dapr_api: DaprApi) -> None:
    if dapr_api.kind == "daprd-redis":
        pytest.skip("Dapr's Redis store keeps the first time to live")
    short, kept = new_id(), new_id()
    dapr.save_state(dapr_api.state_store, short, "1", state_metadata={"ttlInSeconds": "1"})
    dapr.save_state(dapr_api.state_store, kept, "1", state_metadata={"ttlInSeconds": "1"})
    dapr.save_state(dapr_api.state_store, kept, "2")
    wait_until(lambda: dapr.get_state(dapr_api.state_store, short).data == b"", "the other value has expired")
    assert dapr.get_state(dapr_api.state_store, kept).data == b"2"


def test_a_time_to_live_that_is_no_number_is_refused(dapr: DaprClient, dapr_api: DaprApi) -> None:
    with pytest.raises(DaprGrpcError):
        dapr.save_state(dapr_api.state_store, new_id(), "1", state_metadata={"ttlInSeconds": "soon"})


def test_a_store_that_is_not_there_is_named_in_the_error(dapr: DaprClient) -> None:
    with pytest.raises(DaprGrpcError) as caught:
        dapr.get_state("nowhere", "key")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "nowhere" in str(caught.value.details())


def test_a_key_with_the_reserved_separator_is_refused(dapr: DaprClient, dapr_api: DaprApi) -> None:
    with pytest.raises(DaprGrpcError):
        dapr.save_state(dapr_api.state_store, "a||b", "1")


def test_a_value_of_two_megabytes_comes_back_whole(dapr: DaprClient, dapr_api: DaprApi) -> None:
    key, value = new_id(), "y" * (2 * 1024 * 1024)
    dapr.save_state(dapr_api.state_store, key, value)
    assert dapr.get_state(dapr_api.state_store, key).data == value.encode()
