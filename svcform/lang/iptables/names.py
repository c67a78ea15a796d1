"""Names of chains and of lists of xt_recent."""

from __future__ import annotations

import base64
import hashlib

#: ``XT_EXTENSION_MAXNAMELEN`` is 29 with the closing NUL.
CHAIN_NAME_LIMIT = 28


def stable_name(prefix: str, *words: str) -> str:
    """A name that depends on ``words`` alone and is safe everywhere: prefix and 16 letters.

    Raises ValueError if it is longer than a chain's name may be.
    """
    digest = hashlib.sha256("\0".join(words).encode()).digest()
    name = prefix + base64.b32encode(digest)[:16].decode()
    if len(name) > CHAIN_NAME_LIMIT:
        raise ValueError(name)
    return name
