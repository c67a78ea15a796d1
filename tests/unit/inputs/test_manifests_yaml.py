"""Reading YAML: the fast reader and the one that explains agree with PyYAML on all they accept."""

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from svcform.inputs.sources import Source
from svcform.inputs.yaml_read import read_again, read_documents


class PlainLoader(yaml.CSafeLoader):
    """PyYAML without timestamps and `=`, which are text in Kubernetes' types."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in found if not tag.endswith((":timestamp", ":value"))]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def source(text: str, *, is_json: bool = False) -> Source:
    return Source(name="x.yaml", file="x.yaml", text=text, json=is_json)


def with_text_keys(value):
    if isinstance(value, dict):
        return {
            str(key).lower() if isinstance(key, bool) else str(key): with_text_keys(item)
            for key, item in value.items()
        }
    return [with_text_keys(item) for item in value] if isinstance(value, list) else value


def written(values):
    # How many empty documents a file of nothing has is anybody's guess.
    return [with_text_keys(value) for value in values if value is not None]


# Pieces that a YAML file is made of, nasty ones among them; most sequences of them are no YAML.
PIECES = st.sampled_from(
    [
        *("a: ", "b: ", "c:", ":", "- ", "-", "? ", "\n", "\n", "\n  ", "\n    ", " ", "#", " # c"),
        *("---\n", "\n---\n", "--- ", "\n...\n", "%YAML 1.1\n", "{", "}", "[", "]", ",", ", "),
        *("yes", "No", "on", "y", "010", "0o10", "0x1F", "0b1", "1_000", "12:30", "1e3", "1.5"),
        *("+1", "-0", ".5", "1.", ".inf", ".nan", "=", "~", "null", "true", "0", "443", "00"),
        *("2024-01-01", "2024-01-01T00:00:00Z", "10.0.0.1", "fd00::10:20", "10.96.0.0/16"),
        *("'", '"', "''", '"b":', "&x ", "*x", "<<: *x", "!!str ", "!t ", "|\n", ">-\n", "x", "é"),
        *("\t", "\r\n", "\x85", "\u2028", "\ufeff", "'yes'", '"010"', '"\\n"', "@", "`", "a\n"),
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("a: yes\n")
@example("---\na: 1\n---\n- b\n")
@example("a: &x [1]\nb: *x\n")
def test_whatever_is_accepted_is_what_pyyaml_reads(text):
    documents, diagnostics = read_documents(source(text))
    if diagnostics:
        return
    expected = list(yaml.load_all(text, Loader=PlainLoader))
    kept = [document for document in documents if not document.ambiguous]
    if len(kept) == len(documents):
        assert repr(written(d.value for d in documents)) == repr(written(expected))


@given(st.lists(PIECES, max_size=14).map("".join))
def test_the_two_readers_agree(text):
    documents, diagnostics = read_documents(source(text))
    for document in documents if not diagnostics else ():
        again, problems = read_again(document)
        if not problems:
            assert repr(with_text_keys(document.value)) == repr(with_text_keys(again.value))
            # The fast reader is only ever asked for documents in which nothing is ambiguous.
            assert document.ambiguous == again.ambiguous


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, min_size=1, max_size=4), st.booleans())
def test_what_pyyaml_writes_is_read_back(values, flow):
    text = yaml.safe_dump_all(values, default_flow_style=flow, explicit_start=True)
    documents, diagnostics = read_documents(source(text))
    assert not diagnostics
    assert [document.value for document in documents] == values


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_json_is_read_as_json(value, indent):
    documents, diagnostics = read_documents(source(json.dumps(value, indent=indent), is_json=True))
    assert not diagnostics
    assert documents[0].value == value


@pytest.mark.parametrize(
    "text, line, column",
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1),
        ("a: {x: 1, x: 2}\n", 1, 11),
        ("a: 1\n---\nb: 1\n---\nc: 1\nc: 2\n", 6, 1),
        ('{"a": 1,\n "a": 2}', 2, 2),
    ],
)
def test_a_key_that_is_there_twice_is_an_error_at_the_second(text, line, column):
    _, diagnostics = read_documents(source(text))
    assert [(d.code, d.where.line, d.where.column) for d in diagnostics] == [
        ("SVC152", line, column)
    ]


def test_a_duplicate_key_in_json_is_found_too():
    _, diagnostics = read_documents(source('{\n\t"a": 1,\n\t"a": 2\n}', is_json=True))
    assert [(d.code, d.where.line, d.where.column) for d in diagnostics] == [("SVC152", 3, 2)]


def test_a_syntax_error_names_its_line_and_spares_the_other_documents():
    text = "a: 1\n---\nb: [1\n---\nc: 3\n"
    documents, diagnostics = read_documents(source(text))
    assert [document.value for document in documents] == [{"a": 1}, None, {"c": 3}]
    assert [(d.code, d.where.line) for d in diagnostics] == [("SVC151", 4)]


@pytest.mark.parametrize("text", ["yes", "NO", "on", "y", "010", "0o10", "12:30", "1_000", "1e3"])
@pytest.mark.parametrize("shape", ["a: {}\n", "- {}\n", "{{a: {}}}\n", "a:\n  {}\n", '["x",{}]\n'])
def test_a_scalar_that_readers_disagree_on_is_noticed(text, shape):
    documents, _ = read_documents(source(shape.format(text)))
    assert [scalar for _, scalar in documents[0].ambiguous] == [text]


@pytest.mark.parametrize("text", ["'yes'", '"010"', "10.0.0.1", "443", "v1", "fd00::10:20", "a b"])
def test_a_scalar_that_all_read_alike_is_not(text):
    documents, _ = read_documents(source(f"a: {text}\n"))
    assert documents[0].ambiguous == ()


def test_anchors_and_merge_keys_work_as_in_kubectl():
    text = "x: &x {a: 1, b: 2}\nu: {<<: *x, b: 3}\nv: {<<: [{a: 5}, *x]}\n"
    documents, diagnostics = read_documents(source(text))
    assert not diagnostics
    assert documents[0].value["u"] == {"a": 1, "b": 3}
    assert documents[0].value["v"] == {"a": 5, "b": 2}


def test_a_billion_laughs_are_an_error():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    _, diagnostics = read_documents(source("\n".join(lines)))
    assert {d.code for d in diagnostics} == {"SVC154"}


def test_what_is_written_out_is_never_too_much():
    text = "[" + ", ".join(["x"] * 150_000) + ", &a b, *a]\n"
    documents, diagnostics = read_documents(source(text))
    assert not diagnostics
    assert len(documents[0].value) == 150_002


@pytest.mark.parametrize(
    ("text", "is_json", "line", "column"),
    [
        ("a: 1\n---\nb: " + "[" * 100_000, False, 3, 131),
        ("[" * 100_000, True, 1, 129),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", True, 1, 134),
        ("a: " + "{a: " * 200 + "1" + "}" * 200, False, 1, 512),
        ("".join(f"{' ' * n}a:\n" for n in range(900)), False, 129, 129),
    ],
)
def test_what_nests_too_deep_is_an_error_with_its_place(text, is_json, line, column):
    _, diagnostics = read_documents(source(text, is_json=is_json))
    assert [(d.code, d.where.line, d.where.column) for d in diagnostics] == [
        ("SVC151", line, column)
    ]
    assert "more than 128 levels" in diagnostics[0].detail


def test_a_character_that_yaml_lacks_is_an_error_where_it_stands():
    _, diagnostics = read_documents(source("a: 1\n---\nb: é\x1b[31m\n"))
    assert [(d.code, d.where.line, d.where.column) for d in diagnostics] == [("SVC151", 3, 5)]
    assert "U+001B" in diagnostics[0].detail


def test_an_alias_of_itself_is_an_error():
    _, diagnostics = read_documents(source("a: &a [*a]\n"))
    assert [d.code for d in diagnostics] == ["SVC154"]


def test_a_tag_is_an_error_where_it_stands():
    _, diagnostics = read_documents(source("a: 1\nb: !vault x\n"))
    assert [(d.code, d.where.line, d.where.column) for d in diagnostics] == [("SVC154", 2, 4)]
