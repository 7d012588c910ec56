"""The state store: keys, values, ETags, expiry."""

import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import ConflictError, InvalidRequestError
from .proto import common_pb
from .store import Transaction

FIRST_WRITE = common_pb.StateOptions.CONCURRENCY_FIRST_WRITE
MAX_TTL_S = 2**31 - 1
RESERVED_IN_KEYS = "||"


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What stands under a key."""

    value: bytes
    etag: str
    expires_at: float | None


def read_value(db: sqlite3.Connection, store: str, key: str, now: float) -> StoredValue | None:
    row = db.execute(
        "SELECT value, etag, expires_at FROM state WHERE store = ? AND key = ?"
        " AND (expires_at IS NULL OR expires_at > ?)",
        (store, key, now),
    ).fetchone()
    return None if row is None else StoredValue(*row)


def save_value(tx: Transaction, store: str, item: common_pb.StateItem) -> None:
    """Write one value.

    Raises:
        ConflictError: the ETag is not the present one, or first-write was asked for and there is a value.
        InvalidRequestError: the key or the time to live cannot be used.
    """
    ttl_s = parse_ttl(item.metadata)
    _check_etag(tx, store, item)
    tx.db.execute(
        "INSERT INTO state (store, key, value, etag, expires_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (store, key) DO UPDATE"
        " SET value = excluded.value, etag = excluded.etag, expires_at = excluded.expires_at",
        (store, item.key, item.value, secrets.token_hex(8), None if ttl_s is None else tx.now + ttl_s),
    )


def delete_value(tx: Transaction, store: str, item: common_pb.StateItem) -> None:
    """Delete a key; one that is not there is no error unless an ETag was given.

    Raises:
        ConflictError: the ETag is not the present one.
    """
    check_key(item.key)
    if item.HasField("etag"):
        _check_etag(tx, store, item)
    tx.db.execute("DELETE FROM state WHERE store = ? AND key = ?", (store, item.key))


def delete_expired(tx: Transaction) -> None:
    tx.db.execute("DELETE FROM state WHERE expires_at <= ?", (tx.now,))


def parse_ttl(metadata: Mapping[str, str]) -> int | None:
    """Seconds to live out of a request's metadata; None if the value stays for ever."""
    text = metadata.get("ttlInSeconds", "")
    if not text:
        return None
    try:
        ttl_s = int(text)
    except ValueError:
        ttl_s = MAX_TTL_S + 1
    if not -1 <= ttl_s <= MAX_TTL_S:
        raise InvalidRequestError(f"ttlInSeconds must be a number from -1 to {MAX_TTL_S}, not {text!r}")
    return ttl_s if ttl_s > 0 else None


def check_key(key: str) -> None:
    if not key:
        raise InvalidRequestError("a key must not be empty")
    if RESERVED_IN_KEYS in key:
        raise InvalidRequestError(f"the key {key!r} must not contain {RESERVED_IN_KEYS!r}")


def _check_etag(tx: Transaction, store: str, item: common_pb.StateItem) -> None:
    check_key(item.key)
    wants_etag = item.HasField("etag") and item.etag.value != ""
    if not wants_etag and item.options.concurrency != FIRST_WRITE:
        return
    present = read_value(tx.db, store, item.key, tx.now)
    if not wants_etag:
        if present is not None:
            raise ConflictError(f"the key {item.key!r} has a value already, and the first write was to win")
    elif present is None or present.etag != item.etag.value:
        raise ConflictError(f"the ETag of {item.key!r} is not the present one; read the value again")
