"""Models are told apart, on light and on dark ground, and style the same everywhere."""

from __future__ import annotations

import itertools

from reports.palette import MODEL_COLOURS, THEME, model_styles


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
    found = model_styles(labels)
    assert list(found) == ["gru4rec", "markov", "tocr"]
    assert all(model_styles(order) == found for order in itertools.permutations(labels))
    assert model_styles([*labels, "tocr"]) == found


def test_no_two_models_look_alike() -> None:
    found = list(model_styles(f"{i:03}" for i in range(56)).values())
    assert len({(style.colour, style.marker) for style in found}) == 56
    assert len({(style.colour, style.dash) for style in found[:28]}) == 28
