"""Zone files in anybody's form, read by dnspython into svcform's."""

from __future__ import annotations

from typing import Any

from svcform.model.zone import RecordSet, Soa


def read_foreign(text: str, origin: str) -> tuple[Soa, int, tuple[RecordSet, ...]]:
    """The SOA, the serial and the record sets of a zone file, absolute and sorted.

    Raises ValueError for what is no zone of this origin.
    """
    # dnspython takes a tenth of a second to import, and hardly ever has something to read.
    import dns.exception  # noqa: PLC0415
    import dns.rdatatype  # noqa: PLC0415
    import dns.zone  # noqa: PLC0415

    try:
        zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
    except (dns.exception.DNSException, UnicodeError, RecursionError) as error:
        raise ValueError(f"no zone file of {origin}: {error}") from error
    found: list[RecordSet] = []
    start: tuple[Soa, int] | None = None
    for name, rdataset in zone.iterate_rdatasets():
        if rdataset.rdtype == dns.rdatatype.SOA:
            start = _soa(rdataset[0], rdataset.ttl)
            continue
        rdatas = sorted(rdata.to_text() for rdata in rdataset)
        kind = dns.rdatatype.to_text(rdataset.rdtype)
        found.append(RecordSet(name.to_text().lower(), kind, rdataset.ttl, tuple(rdatas)))
    if start is None:
        raise ValueError(f"no SOA of {origin} in the zone file")
    return (*start, tuple(sorted(found)))


def _soa(rdata: Any, ttl: int) -> tuple[Soa, int]:  # noqa: ANN401 - dnspython's rdata are untyped
    soa = Soa(
        primary=rdata.mname.to_text(),
        mailbox=rdata.rname.to_text(),
        refresh=rdata.refresh,
        retry=rdata.retry,
        expire=rdata.expire,
        minimum=rdata.minimum,
        ttl=ttl,
    )
    return soa, int(rdata.serial)
