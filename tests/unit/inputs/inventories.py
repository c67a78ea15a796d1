"""Random inventories, as YAML text and as files beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

GROUPS = ["g1", "g2", "g3", "g4", "g5", "ungrouped", "all"]
HOSTS = ["h1", "h1", "h2", "web[1:3]", "db[01:05:2]", "x[a:c]", "h4:2222", "10.0.0.1"]
NAMES = ["one", "two", "three", "ansible_host", "zone"]

values = st.one_of(
    st.integers(-5, 5),
    st.booleans(),
    st.text("abyesno: '{#", max_size=6),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 3), max_size=2),
    st.lists(st.integers(0, 3), max_size=2),
    st.none(),
)
variables = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)


@st.composite
def groups(draw: Any, names: tuple[str, ...] = tuple(GROUPS), depth: int = 0) -> dict[str, Any]:
    """A mapping of groups; a group's children come after it in ``names``, so there is no loop."""
    made: dict[str, Any] = {}
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=3)) if names else []
    for name in chosen:
        group: dict[str, Any] = {}
        hosts = draw(st.dictionaries(st.sampled_from(HOSTS), st.none() | variables, max_size=3))
        if hosts or draw(st.booleans()):
            group["hosts"] = hosts
        # Every group says who it is: the order shows wherever a host is in two of them.
        group["vars"] = {**draw(variables), "who": name}
        if draw(st.integers(0, 2)) == 0:
            group["vars"]["ansible_group_priority"] = draw(st.integers(0, 3))
        later = tuple(n for n in GROUPS[: GROUPS.index("ungrouped")] if n > name)
        if name == "all":
            later = tuple(n for n in GROUPS if n != "all")
        if depth < 3 and later and name != "ungrouped":
            children = draw(groups(names=later, depth=depth + 1))
            if children:
                group["children"] = children
        made[name] = group or None
    return made


@dataclass
class Files:
    """An inventory (one or two sources) and the files of variables around it and the playbook."""

    sources: list[dict[str, Any]]
    beside: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> list[str]:
        """Write everything; gives the sources' paths."""
        for name, content in self.beside.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))
        paths = []
        for number, source in enumerate(self.sources):
            path = folder / f"inv{number}" / "hosts.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(source, sort_keys=False))
            paths.append(str(path))
        return paths


@st.composite
def projects(draw: Any) -> Files:
    """One or two inventories, with group_vars and host_vars beside them and beside a playbook."""
    sources = draw(st.lists(groups().filter(bool), min_size=1, max_size=2))
    places = st.tuples(
        st.sampled_from(["inv0", "inv1", "play"]),
        st.sampled_from(
            [f"group_vars/{name}" for name in GROUPS]
            + [f"host_vars/{name}" for name in ("h1", "h2", "web2", "10.0.0.1")]
        ),
        st.sampled_from(["", ".yml", ".yaml", ".json", "/a.yml", "/b", "/c.txt", "/d/e.yml"]),
    )
    chosen = draw(st.dictionaries(places, variables, max_size=8))
    beside: dict[str, Any] = {}
    for (place, name, ending), content in chosen.items():
        plain = f"{place}/{name}"
        clash = any(known == plain or known.startswith(f"{plain}/") for known in beside)
        if not (clash and ending in ("", "/a.yml", "/b", "/c.txt", "/d/e.yml")) or (
            ending.startswith("/") and plain not in beside
        ):
            beside[plain + ending] = content
    return Files(sources=sources, beside=beside)
