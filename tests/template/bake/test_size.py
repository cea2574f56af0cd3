"""What a project owns does not grow: no room has more lines or files than when this was last written."""

import pytest

from scripts import size

# Room → (most lines, most files).
MOST = {
    "example": (280, 6),
    "datasets": (2660, 10),
    "project": (3050, 50),
    "etl_tools": (6941, 51),
    "dag_integrity": (6712, 45),
}


@pytest.fixture(scope="module")
def sizes(bake):
    return size.count(bake())


@pytest.mark.parametrize("room", MOST)
def test_a_room_does_not_grow(sizes, room):
    for now, most in zip(sizes[room], MOST[room], strict=True):
        assert now <= most, f"{size.GOALS[room][0]}: {now} is more than {most}"


def test_every_goal_is_held():
    assert MOST.keys() == size.GOALS.keys()
