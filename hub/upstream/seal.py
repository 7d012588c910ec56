"""Sealing what the hub gives to a client to keep: it can neither be read nor changed on the way."""

import base64
import binascii
import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class BrokenSealError(ValueError):
    """Not sealed with this key, or changed since."""


class Seal:
    """Authenticated encryption under one key (AES-256-GCM, a fresh nonce each time)."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"interop-hub request state\0" + key).digest())

    def close(self, data: bytes, purpose: str) -> str:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, data, purpose.encode())
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, purpose: str) -> bytes:
        """Take back what `close` gave for the same purpose.

        Raises:
            BrokenSealError: it is something else.
        """
        try:
            sealed = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (binascii.Error, UnicodeEncodeError, ValueError, InvalidTag) as error:
            raise BrokenSealError("not sealed by this hub for this purpose") from error
