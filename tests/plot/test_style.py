"""The look of figures: colours every reader can tell apart, names that fit and stay text."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from helpers.plot.style import (
    GREY,
    HATCHES,
    LETTER_MM,
    OKABE_ITO,
    PT_MM,
    SMALLEST_PT,
    TYPE_COLOURS,
    can_draw,
    fit_names,
    group_colours,
    name_columns,
    new_figure,
    new_grid,
    own_axes,
    plain,
    side_legend,
    type_colours,
    type_hatches,
    use_log,
)

# What red-, green- and blue-blind eyes make of linear RGB: Machado et al. 2009, Table 1,
# severity 1 (doi:10.1109/TVCG.2009.113).
SEEN_WITHOUT = {
    "nothing": np.eye(3),
    "red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "blue": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def lab(colour: str, without: str) -> np.ndarray:
    """CIELAB of a colour as seen without one kind of cone."""
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(SEEN_WITHOUT[without] @ linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def smallest_difference(colours: tuple[str, ...], without: str) -> float:
    seen = [lab(colour, without) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2))


def test_lab__of_white_and_grey():
    np.testing.assert_allclose(lab("#FFFFFF", "nothing"), [100, 0, 0], atol=0.1)
    np.testing.assert_allclose(lab("#777777", "nothing"), [50, 0, 0], atol=0.2)


# A difference of about 2 can just be seen where patches touch; apart and small, 10 is needed.
@pytest.mark.parametrize("without", ["red", "green", "blue"])
@pytest.mark.parametrize("colours", [OKABE_ITO, TYPE_COLOURS, (*TYPE_COLOURS, GREY)])
def test_colours__differ_to_colour_blind_eyes(colours, without):
    assert smallest_difference(colours, without) > 13


@pytest.mark.parametrize("colours", [OKABE_ITO, (*TYPE_COLOURS, GREY)])
def test_colours__differ_even_more_to_others(colours):
    assert smallest_difference(colours, "nothing") > 20


def test_colours__stand_out_from_the_page():
    lightness = [lab(colour, "nothing")[0] for colour in (*TYPE_COLOURS, GREY)]
    assert max(lightness) < 87


def test_group_colours__begin_again_after_eight():
    colours = group_colours([f"g{i}" for i in range(10)])
    assert colours["g0"] == colours["g8"] == OKABE_ITO[0]
    assert len(set(colours.values())) == 8


def test_type_colours__give_grey_to_unknown_cells_alone():
    colours = type_colours(["B", "unknown", "T"])
    assert list(colours) == ["B", "unknown", "T"]
    assert colours == {"B": TYPE_COLOURS[0], "unknown": GREY, "T": TYPE_COLOURS[1]}


def test_type_hatches__tell_types_of_one_colour_apart():
    types = [f"t{i}" for i in range(45)]
    looks = set(zip(type_colours(types).values(), map(type_hatches(types).get, types), strict=True))
    assert len(looks) == 45
    assert type_hatches(types)["t19"] == HATCHES[0]
    assert type_hatches(types)["t20"] == HATCHES[1]
    assert type_hatches(["B"])["unknown"] == ""


# Names


@pytest.mark.parametrize(
    "name",
    ["$x_1$", "a_b^c", "<script>alert(1)</script>", 'CK "one"', "it's", "Åsa Müller", "%#&\\"],
)
def test_plain__leaves_what_can_be_printed(name):
    assert plain(name) == name


def test_plain__makes_control_characters_spaces_and_names_what_no_font_has():
    assert plain("a\nb\tc") == "a b c"
    assert plain("x\U000f0000") == "x "  # private use: not printable
    missing = next(c for c in "\u1bc4\U00013000\U00016a40" if not can_draw(c))
    assert plain(f"x{missing}") == f"xU+{ord(missing):04X}"


def test_plain__cuts_long_names():
    assert plain("a" * 40) == "a" * 40
    assert plain("a" * 41) == "a" * 39 + "…"
    assert plain("abcdef", longest=4) == "abc…"


@given(st.text(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_plain__gives_what_every_label_can_hold(text):
    shown = plain(text)
    assert len(shown) <= 40
    assert all(c.isprintable() and can_draw(c) for c in shown)


def test_new_figure__draws_dollars_as_dollars(tmp_path):
    figure, ax = new_figure(80, 60)
    ax.set_title("$x_1$ and $\\broken{")
    ax.set_xticks([0], ["$_$"])
    figure.savefig(tmp_path / "a.png")  # mathtext would fail on the title
    texts = [ax.title, *ax.get_xticklabels()]
    assert [text.get_parse_math() for text in texts] == [False, False]
    assert ax.title.get_text() == "$x_1$ and $\\broken{"


def test_fit_names__by_hand():
    # 10 columns of 10 mm: three letters are 3 * 1.38 mm
    few = fit_names(["CK1"] * 10, width_mm=100)
    assert (few.turned, few.size_pt, few.every) == (False, 6.5, 1)
    # 60 columns of 2.33 mm: a line of 6.5-pt letters is 2.52 mm high
    many = fit_names(["sample"] * 60, width_mm=140)
    assert (many.turned, many.every) == (True, 1)
    assert many.size_pt == pytest.approx(140 / 60 / (1.1 * PT_MM))
    # 300 columns of 0.47 mm would need letters of 1.2 pt: every fourth is named in 4 pt
    most = fit_names(["sample"] * 300, width_mm=140)
    assert (most.size_pt, most.every) == (4.0, 4)


@given(
    st.lists(st.text("abcXYZ", min_size=1, max_size=40), min_size=1, max_size=300),
    st.floats(20, 160),
)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_fit_names__never_touch(names, width_mm):
    fitted = fit_names(names, width_mm=width_mm)
    step = width_mm / len(names) * fitted.every
    across = fitted.size_pt * PT_MM if fitted.turned else max(map(len, names)) * LETTER_MM
    assert across <= step + 1e-9
    assert fitted.size_pt >= SMALLEST_PT
    assert max(map(len, fitted.shown)) <= (24 if fitted.turned else 40)


def test_name_columns__names_each_at_its_place():
    _, ax = new_figure(80, 60)
    name_columns(ax, ["a", "b_$1$", "c"], width_mm=60)
    assert ax.get_xticks().tolist() == [0, 1, 2]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b_$1$", "c"]
    assert ax.get_xticklabels()[0].get_rotation() == 0


def test_name_columns__leaves_out_names_that_would_touch():
    _, ax = new_figure(80, 60)
    name_columns(ax, [f"sample {i}" for i in range(100)], width_mm=60)
    labels = ax.get_xticklabels()
    assert [label.get_text() for label in labels[:2]] == ["sample 0", "sample 3"]
    assert ax.get_xticks().tolist() == list(range(0, 100, 3))
    assert {label.get_rotation() for label in labels} == {90}
    assert {label.get_fontsize() for label in labels} == {SMALLEST_PT}


# Figures


def test_new_grid__has_the_size_in_millimetres_and_columns_of_their_widths():
    figure, axes = new_grid(180, 60, 1, 2, widths=[1, 3])
    np.testing.assert_allclose(figure.get_size_inches() * 25.4, [180, 60])
    assert axes[0].get_gridspec().get_width_ratios() == [1, 3]
    assert plt.get_fignums() == []  # none stays behind in memory


def test_new_grid__goes_row_by_row():
    _, axes = new_grid(100, 100, 2, 2)
    places = [ax.get_subplotspec() for ax in axes]
    assert [(p.rowspan.start, p.colspan.start) for p in places] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_own_axes__takes_the_axes_given():
    _, ax = new_figure(80, 60)
    assert own_axes(ax, 10, 10) is ax
    np.testing.assert_allclose(own_axes(None, 50, 40).figure.get_size_inches() * 25.4, [50, 40])


def test_side_legend__stands_beside_the_axes():
    figure, ax = new_figure(100, 60)
    ax.scatter([0, 1], [0, 1], label="dots")
    legend = side_legend(ax, title="what")
    figure.draw_without_rendering()
    assert legend.get_window_extent().x0 >= ax.get_window_extent().x1
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert [text.get_text() for text in legend.get_texts()] == ["dots"]
    assert legend.get_title().get_text() == "what"


def test_use_log__writes_numbers_out():
    _, ax = new_figure(80, 60)
    ax.set_ylim(1, 20_000)
    use_log(ax.yaxis)
    assert ax.get_yscale() == "log"
    written = ax.yaxis.get_major_formatter().format_ticks([1, 100, 1000, 10_000])
    assert written == ["1", "100", "1,000", "10,000"]


@pytest.mark.parametrize(
    ("limits", "named"),
    [((0.2, 1.0), {"0.2", "0.5"}), ((2.5, 80), {"5", "20", "50"}), ((100, 100_000), set())],
)
def test_use_log__names_twos_and_fives_where_few_powers_are_in_view(limits, named):
    figure, ax = new_figure(40, 40)
    use_log(ax.yaxis)
    ax.set_ylim(*limits)
    figure.canvas.draw()
    ticks = zip(ax.yaxis.get_minorticklocs(), ax.yaxis.get_ticklabels(minor=True), strict=True)
    shown = {label.get_text() for at, label in ticks if limits[0] <= at <= limits[1]}
    assert shown - {""} == named
