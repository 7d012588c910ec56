"""Public names of tools, prompts and resources."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hub.catalog.naming import own_uri, public_name, public_uri


def test_a_plain_name_is_joined_to_its_prefix() -> None:
    assert public_name("git", "git_log") == "git__git_log"


def test_a_name_without_a_prefix_stays_as_it_is() -> None:
    assert public_name("", "add") == "add"


def test_other_characters_become_underscores_and_leave_a_hash() -> None:
    assert re.fullmatch(r"a__b_c_[0-9a-f]{8}", public_name("a", "b.c"))
    assert public_name("a", "b.c") != public_name("a", "b/c")


def test_a_long_name_is_cut_to_sixty_four_characters() -> None:
    first, second = public_name("server", "x" * 80), public_name("server", "x" * 81)
    assert len(first) == len(second) == 64
    assert first != second


@given(prefix=st.from_regex(r"[A-Za-z0-9_-]{0,40}", fullmatch=True), own=st.text(min_size=1, max_size=200))
def test_every_name_is_safe_short_and_the_same_each_time(prefix: str, own: str) -> None:
    name = public_name(prefix, own)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
    assert name == public_name(prefix, own)


@given(name=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True), uri=st.text(min_size=1))
def test_a_changed_uri_is_mapped_back(name: str, uri: str) -> None:
    assert own_uri(public_uri(name, uri)) == (name, uri)


def test_a_uri_that_was_never_changed_has_no_owner_in_it() -> None:
    assert own_uri("notes://note/1") is None
