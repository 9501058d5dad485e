"""JSON as nobody would send it: known shapes in which any field may be missing, or be anything."""

from __future__ import annotations

from hypothesis import strategies as st

from llmitm.calls import Json

ODD: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
TEXT = st.text(max_size=4)
INDEX = st.integers(0, 2)


def shape(**fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Return objects of a known shape, more or less."""
    return st.fixed_dictionaries({}, optional={key: value | ODD for key, value in fields.items()})


def some(of: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    """Return short arrays."""
    return st.lists(of | ODD, max_size=3)
