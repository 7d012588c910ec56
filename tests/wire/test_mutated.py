"""Conversations with bytes changed, lost, doubled and moved: whoever sends them, others are answered.

The seed is `FUZZ_SEED` or a fixed one; a failure names the conversation's number.
"""

import asyncio
import os
import random
from typing import Any

import pytest
from hpack import Encoder

from hub.sidecar.wire import frames
from hub.sidecar.wire.frames import PREFACE, pack_frame
from tests.wire.h2_client import body, h2_client, head, say
from tests.wire.serving import opened

pytestmark = pytest.mark.fuzz

SEED = int(os.environ.get("FUZZ_SEED", "20261127"))


def pieces() -> list[bytes]:
    """A conversation of all kinds of frames, frame by frame."""
    encoder = Encoder()
    said = [
        PREFACE + pack_frame(frames.SETTINGS, 0, 0),
        pack_frame(frames.WINDOW_UPDATE, 0, 0, (2**20).to_bytes(4, "big")),
    ]
    for stream, name in ((1, "Echo"), (3, "Shout"), (5, "Wait"), (7, "Fail"), (9, "Count")):
        block = encoder.encode(head(name, ("grpc-timeout", "50m")))
        said += [
            pack_frame(frames.HEADERS, 0, stream, block[:10]),
            pack_frame(frames.CONTINUATION, frames.END_HEADERS, stream, block[10:]),
            pack_frame(frames.DATA, frames.PADDED, stream, b"\x03" + body("3 100")[:4] + bytes(3)),
            pack_frame(frames.DATA, frames.END_STREAM, stream, body("3 100")[4:]),
            pack_frame(frames.WINDOW_UPDATE, 0, stream, (1000).to_bytes(4, "big")),
            pack_frame(frames.PRIORITY, 0, stream, bytes(5)),
            pack_frame(frames.PING, 0, 0, bytes(8)),
        ]
    said += [pack_frame(frames.RST_STREAM, 0, 5, bytes(4)), pack_frame(frames.SETTINGS, frames.ACK, 0)]
    return said


def mutated(chance: random.Random) -> bytes:
    said = pieces()
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(1, len(said))
        match chance.randrange(3):
            case 0:
                del said[at]
            case 1:
                said.insert(at, chance.choice(said))
            case _:
                said.insert(at, said.pop(chance.randrange(1, len(said))))
    data = bytearray(b"".join(said))
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case _:
                data[at:at] = chance.randbytes(chance.randint(1, 20))
    return bytes(data)


@pytest.mark.timeout(600)
async def test_a_conversation_that_is_mutated_harms_nobody(full: bool, caplog: pytest.LogCaptureFixture) -> None:
    trouble: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
    chance = random.Random(SEED)
    cut_off = 0
    async with opened() as (_, port), h2_client(port) as other:
        for number in range(20_000 if full else 500):
            answers = await say(
                port, mutated(chance), pieces=[chance.randint(1, 60) for _ in range(chance.randrange(6))]
            )
            cut_off += any(kind == frames.GOAWAY for kind, *_ in answers)
            if number % 50 == 0:
                assert await other.answer(await other.call("Echo", body(str(number)))) == (str(number), "0")
            assert trouble == [], f"conversation {number} of seed {SEED}"
            assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []
    assert cut_off > 0
