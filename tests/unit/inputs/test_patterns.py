"""A host pattern means the hosts that Ansible takes it for."""

import tempfile
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from svcform.inputs.inventory import read_inventory
from svcform.inputs.patterns import BadPattern, Patterns, read_limit
from tests.unit.inputs import ansible_oracle as ansible

# Nesting is at most two deep: below that, Ansible's own order is that of a set.
INVENTORY = {
    "all": {
        "hosts": {"lonely": None, "10.0.0.1": None, "fd00::1": None},
        "children": {
            "web": {"hosts": {"web[1:6]": None, "db-1": None}},
            "db": {"hosts": {"db-[1:3]": None}},
            "site.a": {"hosts": {"web1": None, "edge.example.org": None}},
            "outer": {"children": {"web": None}, "hosts": {"web9": None}},
        },
    }
}

words = st.sampled_from(
    [
        *("web", "db", "all", "outer", "ungrouped", "web1", "db-2", "lonely", "nobody", "web*"),
        *("~web[13]", "~.*-2", "web?", "site.a", "*.example.org", "10.0.0.1", "fd00::1", "*-1"),
        *("localhost", "127.0.0.1", "[dw]*", "*", "~(", "web[!1-3]", "w[e]b4"),
    ]
)
subscripts = st.sampled_from(["", "", "[0]", "[-1]", "[1:3]", "[2:]", "[0:0]", "[9]", "[1-2]"])
parts = st.builds("{}{}{}".format, st.sampled_from(["", "", "!", "&"]), words, subscripts)
patterns = st.builds(
    lambda parts, sign: sign.join(parts),
    st.lists(parts, min_size=1, max_size=4),
    st.sampled_from([",", ":", ", "]),
)


@pytest.fixture(scope="module")
def both():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inventory.yml"
        path.write_text(yaml.safe_dump(INVENTORY, sort_keys=False))
        inventory, problems = read_inventory([str(path)], ())
        assert problems == []
        manager, _ = ansible.inventory([str(path)])
        yield inventory.groups, manager


@settings(max_examples=600, suppress_health_check=list(HealthCheck))
@example(pattern="fd00::1[0:0]")
@example(pattern="fd00::[0:1]")
@example(pattern="db:db:db")  # no address, though each part could be one's
@given(pattern=patterns)
def test_random_patterns_match_what_ansible_matches(both, pattern):
    groups, manager = both
    manager.clear_caches()
    manager._inventory.localhost = None
    try:
        theirs = [host.name for host in manager.get_hosts(pattern)]
    except (AnsibleError, IndexError):
        theirs = None

    try:
        ours = Patterns(groups).match(pattern)
    except BadPattern:
        ours = None

    assert ours == theirs


def test_a_list_of_patterns_is_one_pattern(both):
    groups, manager = both
    pattern = ["web", "!web1", "db"]

    assert Patterns(groups).match(pattern) == [h.name for h in manager.get_hosts(pattern)]


def test_what_matches_nothing_is_told(both):
    patterns = Patterns(both[0])

    assert patterns.match("web1,nobody,nothing*") == ["web1"]
    assert patterns.unmatched == ["nobody", "nothing*"]


def test_a_limit_may_stand_in_a_file(both, tmp_path: Path):
    (tmp_path / "retry").write_text("web2\n\nweb3\n")

    assert Patterns(both[0]).match(read_limit(f"@{tmp_path}/retry,lonely")) == [
        "web2",
        "web3",
        "lonely",
    ]


def test_a_missing_limit_file_is_told():
    with pytest.raises(BadPattern, match="nowhere"):
        read_limit("@nowhere")
