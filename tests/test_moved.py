"""Every test of tests-before.txt exists, or has a line `old -> new or reason` in tests-moved.txt.

Delete this file together with both lists.
"""

import pytest
from conftest import ROOT

DATA = ROOT / "tests/data"


def test_every_test_of_before_is_there_or_accounted_for(request):
    how = request.config.option
    if (
        how.keyword
        or how.markexpr
        or [ROOT / path for path in request.config.args] != [ROOT / "tests"]
    ):
        pytest.skip("only a run of all tests can tell")
    there = {item.name for item in request.session.items}
    before = set((DATA / "tests-before.txt").read_text().splitlines())
    moved = dict(
        line.split(" -> ", 1) for line in (DATA / "tests-moved.txt").read_text().splitlines()
    )
    assert not before - there - moved.keys(), "gone, and not accounted for"
    assert not moved.keys() & there and not moved.keys() - before, "lines without a use"
    assert not [new for new in moved.values() if new.startswith("test_") and new not in there]
