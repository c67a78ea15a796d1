"""Units of systemd's (systemd.syntax(7)) from a template that puts more to svcform's own text."""

from __future__ import annotations

import re

from svcform.lang.template import TemplateMistake, line_of, render_template
from svcform.model.template import Template

#: What a template of a unit sees.
NAMES = ("text",)
EXAMPLE = "# header\n[Service]\nExecStart=/usr/bin/env true\n\n[Install]\nWantedBy=a.target\n"
_LINE = re.compile(r"\s*|[#;].*|\[[^\[\]]+\]|[A-Za-z][\w-]*\s*=.*").fullmatch
#: Without these svcform can't start it, or not at boot.
_KEPT = ("ExecStart=", "ExecReload=", "WantedBy=")


def write(template: Template, own: str) -> str:
    """The unit's text, where ``text`` is svcform's own.

    Raises TemplateMistake for what is no unit, and for one that leaves out what makes it svcform's.
    """
    text = render_template(template, {"text": own})
    lines = text.splitlines()
    continues = False
    for line in lines:
        if not continues and not _LINE(line):
            reason = f"{line.strip()!r} is no section, no setting and no comment"
            raise TemplateMistake(template, line_of(template, line), reason)
        continues = line.endswith("\\")
    kept = [line for line in own.splitlines() if line.startswith(_KEPT)]
    if lines[:1] != own.splitlines()[:1]:
        raise TemplateMistake(template, 1, "it has to begin with `{{ text }}`, or its first line")
    for line in kept:
        if line not in lines:
            raise TemplateMistake(template, 0, f"the line {line!r} of svcform's is not in it")
    return text if text.endswith("\n") else f"{text}\n"
