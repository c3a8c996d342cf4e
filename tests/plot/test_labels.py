"""Names beside points: where they are written."""

import numpy as np
import pytest
from plots import draw

from helpers.plot.labels import NAME_PT, name_points
from helpers.plot.style import new_figure


def test_name_points__a_name_alone_stands_right_above_its_point():
    _, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    name_points(ax, np.array([[5.0, 5.0]]), ["MYC"])
    (text,) = ax.texts
    assert (text.get_text(), text.xy, text.xyann) == ("MYC", (5.0, 5.0), (3.0, 3.0))
    assert (text.get_ha(), text.get_va(), text.get_fontsize()) == ("left", "bottom", NAME_PT)
    assert len(ax.patches) == 0


def test_name_points__a_name_at_the_edge_stays_inside():
    figure, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    name_points(ax, np.array([[9.9, 9.9], [0.1, 0.1]]), ["RIGHT", "LEFT"])
    draw(figure)
    frame = ax.get_window_extent()
    for text in ax.texts:
        assert all(frame.contains(*corner) for corner in text.get_window_extent().corners())


def test_name_points__names_of_one_place_do_not_touch_and_far_ones_have_a_line():
    figure, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    name_points(ax, np.full((9, 2), 5.0), [f"GENE{i}" for i in range(9)])
    draw(figure)
    boxes = [text.get_window_extent() for text in ax.texts]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(a.overlaps(b) for a, b in pairs)
    # from its point to the nearest corner of its name
    far = [text for text in ax.texts if np.abs(text.xyann).max() > 8]
    ends = [ax.transData.transform(line.get_path().vertices[-1]) for line in ax.patches]
    start = ax.transData.transform((5.0, 5.0))
    np.testing.assert_allclose(ends, [start + np.array(t.xyann) * figure.dpi / 72 for t in far])
    assert len(far) > 0


def test_name_points__keeps_off_other_points_where_there_is_room():
    _, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    crowd = np.column_stack([np.linspace(5.1, 6, 20), np.full(20, 5.5)])
    name_points(ax, np.array([[5.0, 5.0]]), ["MYC"], others=crowd)
    assert ax.texts[0].xyann == (-3.0, 3.0)


def count_crossings(lines: list[np.ndarray]) -> int:
    """Pairs of segments that cross."""

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    pairs = [(one, two) for i, one in enumerate(lines) for two in lines[:i]]
    return sum(
        side(*one[[0, -1]], two[0]) != side(*one[[0, -1]], two[-1])
        and side(*two[[0, -1]], one[0]) != side(*two[[0, -1]], one[-1])
        for one, two in pairs
    )


@pytest.mark.parametrize("seed", range(5))
def test_name_points__sparing_leaves_out_names_whose_lines_cross(seed: int):
    figure, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    rng = np.random.default_rng(seed)
    crowd = rng.normal(5, 0.8, (300, 2))
    names = [f"GENE{i}" for i in range(16)]
    name_points(ax, crowd[:16], names, others=crowd, sparing=True)
    draw(figure)
    ends = [line.get_path().vertices for line in ax.patches]
    assert count_crossings(ends) == 0
    assert 0 < len(ax.texts) < 16


def test_name_points__not_sparing_writes_every_name():
    _, ax = new_figure(60, 60)
    ax.set(xlim=(0, 10), ylim=(0, 10))
    crowd = np.random.default_rng(0).normal(5, 0.8, (300, 2))
    name_points(ax, crowd[:16], [f"GENE{i}" for i in range(16)], others=crowd)
    assert len(ax.texts) == 16
