"""What must hold for every dirty file, however dirty."""

import tempfile

from dirty import BROKEN, CELLS, GOOD, record, transform
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from my_etl.datasets import reading
from my_etl.earthquakes.dataset import COLUMNS

NAMES = [column.name for column in COLUMNS]

# A cell of a few columns is dirty at a time: the seen cases, or any text at all.
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
dirty_cells = st.lists(
    st.sampled_from(COLUMNS).flatmap(
        lambda column: st.tuples(st.just(column.name), st.sampled_from(CELLS[column.type]) | anything)
    ),
    max_size=3,
)
rows = st.builds(
    lambda number, changed, cells: record({**GOOD, "id": f"nc{number}", "updated": changed, **dict(cells)}, NAMES),
    st.integers(0, 5),
    st.sampled_from(["2018-02-01T02:00:00.000Z", "2018-02-03T02:00:00.000Z"]),
    dirty_cells,
)
# A quote that is not closed joins what follows, so such files have no order of rows to be independent of.
closed = [line for line in BROKEN if '"' not in line or line == '""']
often = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def run(slices):
    with tempfile.TemporaryDirectory() as root:
        return transform(root, slices)


@often
@given(st.lists(rows | st.sampled_from(BROKEN) | anything, max_size=20))
def test_every_row_is_accounted_for_and_every_reject_is_found_again(records):
    counts, events, others, rejected, files = run([records])
    assert counts["read"] == counts["clean"] + counts["duplicates"] + counts["set_apart"] + counts["rejected"]
    assert (len(events), len(others), len(rejected)) == (counts["clean"], counts["set_apart"], counts["rejected"])
    for row in rejected:
        lines = files[row["file"]].split(b"\n")
        text = row["row"].split("\n")[0].rstrip("\r")
        at_that_line = lines[row["line"] - 1].rstrip(b"\r").decode(errors="backslashreplace")
        assert at_that_line == text
        assert row["reason"]


@often
@given(st.lists(rows | st.sampled_from(closed), max_size=12), st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_result_depends_neither_on_order_nor_on_slices(records, shuffler, slices):
    one = run([records])
    shuffled = list(records)
    shuffler.shuffle(shuffled)
    other = run([shuffled[i::slices] for i in range(slices)])
    kept = ("read", "clean", "duplicates", "set_apart", "rejected")
    assert [one[0][name] for name in kept] == [other[0][name] for name in kept]
    assert one[1:3] == other[1:3]

    def without_place(rejected):
        return sorted((row["reason"], row["row"]) for row in rejected)

    assert without_place(one[3]) == without_place(other[3])


@often
@given(st.lists(rows | st.sampled_from(BROKEN), max_size=12), st.integers(1, 400))
def test_the_size_of_the_pieces_changes_nothing(records, size):
    expected = run([records])
    before = reading.PIECE
    reading.PIECE = size
    try:
        assert run([records]) == expected
    finally:
        reading.PIECE = before


def test_a_cell_of_ten_megabytes(tmp_path):
    big = "x" * 10_000_000
    records = [record({**GOOD, "id": "a"}, NAMES), record({**GOOD, "id": "b", "place": big}, NAMES)]
    records += [record({**GOOD, "id": "c", "place": f"{big}\n{big}"}, NAMES), record({**GOOD, "id": "d"}, NAMES)]
    counts, *_, rejected, _ = run([records])
    assert (counts["read"], counts["clean"], counts["rejected"]) == (4, 2, 2)
    assert [row["row"] for row in rejected] == records[1:3]
    assert [row["line"] for row in rejected] == [3, 4]
