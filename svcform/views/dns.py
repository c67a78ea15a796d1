"""An answer as dig shows it."""

from __future__ import annotations

from svcform.lang.zone.text import soa_line
from svcform.policy.dns_answer import Answer
from svcform.views.text import clean


def answer_text(name: str, kind: str, found: Answer) -> str:
    """The sections that have something; the serial is only known when zones are applied."""
    lines = [f";; status: {found.rcode}", "", ";; QUESTION SECTION:", f";{name} IN {kind}"]
    answers = [line for entry in found.answer for line in entry.lines()]
    authority = [soa_line(*found.soa, "SERIAL")] if found.soa else []
    if kind == "SOA" and found.soa and found.soa[0] == name.lower():
        answers, authority = [*answers, *authority], []
    additional = [line for entry in found.additional for line in entry.lines()]
    for title, some in (("ANSWER", answers), ("AUTHORITY", authority), ("ADDITIONAL", additional)):
        if some:
            lines += ["", f";; {title} SECTION:", *some]
    return "".join(f"{clean(line)}\n" for line in lines)


def answer_json(name: str, kind: str, found: Answer) -> dict[str, object]:
    """The same for programs."""
    return {
        "name": name,
        "type": kind,
        "status": found.rcode,
        "answer": [line for entry in found.answer for line in entry.lines()],
        "soa": soa_line(*found.soa, "SERIAL") if found.soa else None,
        "additional": [line for entry in found.additional for line in entry.lines()],
    }
