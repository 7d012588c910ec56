"""Header blocks, and the memory of those that were read before."""

import random

from hpack import Decoder, Encoder, NeverIndexedHeaderTuple

from hub.sidecar.wire.headers import HeaderReader, pack_trailers
from hub.sidecar.wire.status import Status
from tests.wire.h2_client import head


def test_a_block_means_what_the_table_makes_of_it_at_that_time() -> None:
    chance = random.Random(20261127)
    for _ in range(200):
        encoder, reader, plain = Encoder(), HeaderReader(2**18), Decoder()
        for _ in range(60):
            if chance.random() < 0.1:
                encoder.header_table_size = chance.choice([0, 100, 200, 4096])
            fields = [(f"name-{chance.randrange(4)}", "v" * chance.randrange(30)) for _ in range(chance.randrange(4))]
            block = encoder.encode(
                [NeverIndexedHeaderTuple(*each) if chance.random() < 0.5 else each for each in fields]
            )
            expected = dict(plain.decode(block))
            assert reader.read(block).metadata == expected


def test_a_block_that_repeats_is_not_decoded_again_unless_it_is_long() -> None:
    reader = HeaderReader(2**18)
    short, long = (
        Encoder().encode([NeverIndexedHeaderTuple("a", "x" * size)], huffman=False) for size in (100, 10_000)
    )
    assert reader.read(short) is reader.read(short)
    assert reader.read(long) is not reader.read(long)


def test_what_a_call_says_of_itself_is_read() -> None:
    fields = [("grpc-timeout", "1500m"), ("grpc-encoding", "gzip"), ("x-bin", "_w!"), ("y-bin", "/w"), ("z", "ä")]
    request = HeaderReader(2**18).read(Encoder().encode([*head("Echo"), *fields]))
    assert (request.path, request.is_grpc, request.timeout_s, request.encoding) == (
        "/test.Wire/Echo",
        True,
        1.5,
        "gzip",
    )
    assert (request.metadata["y-bin"], request.metadata["z"]) == (b"\xff", "ä".encode().decode("latin-1"))


def test_a_message_with_characters_that_are_none_is_told_all_the_same() -> None:
    assert Decoder().decode(pack_trailers(Status.NOT_FOUND, "/tmp/\udcff.db")) == [
        ("grpc-status", "5"),
        ("grpc-message", "/tmp/?.db"),
    ]
