"""Templates of the Corefile: what they make is read back before it goes anywhere."""

from __future__ import annotations

import pytest

from svcform.data import read_text
from svcform.lang.corefile import EXAMPLES, Serving, ZoneBlock, read, write
from svcform.lang.template import TemplateMistake
from svcform.model.template import Template

SERVING = Serving(
    zones=(ZoneBlock("cluster.local", "/etc/z"),), listen=("192.0.2.1",), forward=("192.0.2.53",)
)
GOOD = """\
(common) {
    bind {{ listen | join(" ") }}  # those
    errors
}
{% for zone in zones %}
{{ zone.name }} {
    import common
    file {{ zone.file }} {
        reload 2s
    }
    template IN ANY {
        answer "{{ '{{ .Name }}' }} 60 IN A { # no comment }"
    }
}
{% endfor %}
"""


@pytest.mark.parametrize("serving", EXAMPLES)
def test_svcforms_own_template_serves_all_of_it(serving):
    own = Template(read_text("templates", "dns/Corefile.j2"))
    keys = [block.words[0] for block in read(write(own, serving))]

    assert keys[: len(serving.zones)] == [f"{zone.name}:53" for zone in serving.zones]
    assert keys[len(serving.zones) :] == ([".:53"] if serving.forward else [])


def test_snippets_ports_comments_and_quoted_text_are_understood():
    assert "file /etc/z" in write(Template(GOOD), SERVING)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("{% endfor %}", "", 0, "end of template"),
        ("zone.name", "zone.nam", 6, "has no attribute 'nam'"),
        ("        reload 2s", "        reload 0", 6, "nothing serves the zone cluster.local"),
        ("        reload 2s", "        reload 1m", 6, "`reload` of at most 10 s"),
        ("        reload 2s", "        reload often", 6, "`reload` of at most 10 s"),
        ("    file {{ zone.file }}", "    file /etc/other", 6, "nothing serves the zone"),
        ("{{ zone.name }} {", "{{ zone.name }}:5353 {", 0, "nothing serves the zone"),
        ("    import common\n", "", 6, "has to bind"),
        ("    errors\n}", "    errors\n", 1, "a brace"),
        ("    errors", "    }\n    errors", 0, "a brace is closed"),
        ("{% endfor %}", "{% endfor %}\nversion.bind {\n  import common\n}", 16, "svcform's own"),
        ("(common)", "{{ 1 / 0 }}", 1, "division by zero"),
    ],
)
def test_a_template_that_would_not_serve_is_told_with_its_line(old, new, line, reason):
    assert old in GOOD
    with pytest.raises(TemplateMistake, match=reason) as raised:
        write(Template(GOOD.replace(old, new), "Corefile.j2"), SERVING)

    assert raised.value.line in ({line} if line else range(20))
