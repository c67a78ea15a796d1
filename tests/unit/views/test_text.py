"""Nothing that a terminal acts on gets through, and columns line up."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from svcform.views.text import Palette, clean, columns, plural, shorten


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_control_or_format_character_survives(text):
    cleaned = clean(text)

    assert all(unicodedata.category(c)[0] != "C" for c in cleaned)
    cleaned.encode("utf-8")


def test_an_escape_sequence_is_shown_and_not_obeyed():
    assert clean("\x1b[2Jshop\r\u202ecart") == "\\x1b[2Jshop\\x0d\\u202ecart"


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text):
    assert clean(text) == text


def test_square_brackets_are_no_markup():
    assert clean("[bold red]x[/]") == "[bold red]x[/]"


def test_a_palette_without_colour_paints_nothing():
    assert Palette(colour=False).paint("x", "red") == "x"
    assert Palette(colour=True).paint("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"


def test_columns_line_up_and_have_no_trailing_blanks():
    assert columns([("NAME", "N"), ("a", "10")], gap=2) == ["NAME  N", "a     10"]


def test_long_lists_are_cut_with_their_count():
    assert shorten(list("abcdefgh"), 3) == "a, b, c and 5 more"
    assert shorten(list("abcd"), 3) == "a, b, c, d"
    assert plural(1, "node") == "1 node"
    assert plural(0, "node") == "0 nodes"
