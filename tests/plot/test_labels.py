"""Names beside points: where they are written."""

import numpy as np
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
