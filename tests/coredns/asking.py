"""Thousands of questions to a name server over one socket, and its answers to compare."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import NamedTuple

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

Record = tuple[str, str, int, str]
"""Owner, type, TTL, rdata; in lower case."""


class Question(NamedTuple):
    """``name`` in any case, absolute; ``type`` in upper case."""

    name: str
    type: str


class Answer(NamedTuple):
    """An answer as it is compared; ``soa`` is the zone that says no, or empty."""

    rcode: str
    answer: frozenset[Record]
    extra: frozenset[Record]
    soa: str
    owners: frozenset[str] = frozenset()

    @property
    def is_nodata(self) -> bool:
        """NOERROR without a record."""
        return self.rcode == "NOERROR" and not self.answer

    def types(self) -> set[str]:
        """The types of the records that answer."""
        return {record[1] for record in self.answer}


def ask_all(questions: Iterable[Question], port: int, address: str = "127.0.0.1") -> list[Answer]:
    """The answers over UDP, in order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.connect((address, port))
        return [_ask(asking, question) for question in questions]


def _ask(asking: socket.socket, question: Question) -> Answer:
    query = dns.message.make_query(*question, use_edns=0, payload=4096, flags=0)
    asking.send(query.to_wire())
    found = dns.message.from_wire(asking.recv(65535))
    assert query.is_response(found)
    assert found.flags & dns.flags.TC == 0
    return Answer(
        rcode=dns.rcode.to_text(found.rcode()),
        answer=_records(found.answer),
        extra=_records(found.additional),
        soa=next((r[0] for r in _records(found.authority) if r[1] == "SOA"), ""),
        owners=frozenset(each.name.to_text() for each in found.answer),
    )


def _records(section: Iterable[dns.rrset.RRset]) -> frozenset[Record]:
    return frozenset(
        (each.name.to_text().lower(), dns.rdatatype.to_text(each.rdtype), each.ttl, _text(rdata))
        for each in section
        for rdata in each
    )


def _text(rdata: dns.rdata.Rdata) -> str:
    """The rdata in lower case; a SOA without its serial."""
    text = rdata.to_text().lower()
    if rdata.rdtype == dns.rdatatype.SOA:
        words = text.split()
        return " ".join([*words[:2], "SERIAL", *words[3:]])
    return text
