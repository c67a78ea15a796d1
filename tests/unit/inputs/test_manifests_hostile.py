"""Whatever an object holds, there are findings and no traceback."""

import copy
from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from svcform.inputs.cluster import objects_of, resolve_services
from svcform.inputs.endpoints import resolve_endpoints
from svcform.inputs.validate import validate
from svcform.inputs.workloads import Placements
from tests.unit.inputs.projects import TUTORIAL

DUMP = Path(__file__).parent / "data" / "kubectl-dump.yaml"
OBJECTS = [
    *yaml.load(DUMP.read_text(), Loader=yaml.CSafeLoader)["items"],
    *yaml.safe_load_all(TUTORIAL),
]


def paths(value, here=()):
    yield here
    items = value.items() if isinstance(value, dict) else ()
    for step, inner in enumerate(value) if isinstance(value, list) else items:
        yield from paths(inner, (*here, step))


PATHS = [
    (number, path)
    for number, value in enumerate(OBJECTS)
    for path in paths(value)
    if path and path != ("kind",)
]
VALUES = st.sampled_from(
    [
        *(None, True, 0, -1, 1.5, 80, 2**70, "", " ", "a", "None", "1.2.3.4", "::1", "\0", "80"),
        *([], {}, [None], [{}], {"a": None}, {"a": {"b": 1}}, ["10.0.0.1"], [[1]], "é" * 300),
    ]
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=1, max_size=3))
def test_any_value_in_any_place_is_read_or_refused(changes):
    objects = copy.deepcopy(OBJECTS)
    for (number, path), value in changes:
        place = objects[number]
        # An earlier change may have taken the place away.
        with suppress(LookupError, TypeError):
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value
    kept, _ = validate(objects_of(objects), "warn")
    valid = [item for item in kept if item is not None]
    for lenient in (False, True):
        cluster, _ = resolve_services(valid, lenient=lenient)
        resolve_endpoints(cluster.services, cluster.selectors, valid, Placements())
