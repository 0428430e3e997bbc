"""The whole NumPy surface: every listed name has NumPy's value and exact derivatives."""

import pytest

from surface import CALLS, GROUPS, ZERO
from surface.check import check

EACH = [
    pytest.param(name, call, id=f"{name}: {call.text}")
    for names in GROUPS.values()
    for name in names
    for call in CALLS.get(name, ())
]


@pytest.mark.parametrize(("name", "call"), EACH)
def test_call(name, call):
    check(call, zero=name in ZERO)


@pytest.mark.parametrize("group", GROUPS)
def test_no_name_is_missing(group):
    assert [name for name in GROUPS[group] if not CALLS.get(name)] == []


def test_no_call_is_of_an_unlisted_name():
    assert set(CALLS) <= {name for names in GROUPS.values() for name in names}
