"""The types of records that DNS has."""

from __future__ import annotations


def is_kind(word: str) -> bool:
    """Whether this is the name of a type (``AAAA``), or its number (``TYPE28``, RFC 3597)."""
    # A tenth of a second, that only a question has to wait for.
    import dns.exception  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415

    try:
        dns.rdatatype.from_text(word)
    except (dns.exception.DNSException, ValueError):
        return False
    return True
