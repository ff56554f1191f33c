"""Models are told apart, on light and on dark ground, and look the same everywhere."""

from __future__ import annotations

import itertools

from reports.palette import MODEL_COLOURS, THEME, styles


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_luminance_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


def test_models_stand_out_on_both_grounds_and_text_is_read() -> None:
    for ground in (0, 1):
        surface = THEME["surface"][ground]
        for name in MODEL_COLOURS:
            assert contrast(THEME[name][ground], surface) >= 3, (name, ground)
        for name in ("ink", "muted"):
            assert contrast(THEME[name][ground], surface) >= 4.5, (name, ground)


def test_a_models_look_hangs_on_the_labels_alone() -> None:
    labels = ["tocr", "gru4rec", "markov"]
    looks = styles(labels)
    assert list(looks) == ["gru4rec", "markov", "tocr"]
    assert all(styles(order) == looks for order in itertools.permutations(labels))
    assert styles([*labels, "tocr"]) == looks


def test_no_two_models_look_alike() -> None:
    looks = list(styles(f"{i:03}" for i in range(56)).values())
    assert len({(look.colour, look.marker) for look in looks}) == 56
    assert len({(look.colour, look.dash) for look in looks[:28]}) == 28
