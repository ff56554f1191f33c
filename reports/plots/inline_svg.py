"""A plot's SVG as a part of an HTML page: it follows the page's theme and font."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from reports.palette import THEME

_STYLE_COLOURS = {light: f"var(--{name})" for name, (light, _) in THEME.items()}
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_POINTS_PER_PIXEL = 0.75


def inline_svg(svg: str, prefix: str, description: str) -> str:
    """`svg`, as Matplotlib wrote it, as one element for HTML.

    Its ids start with `prefix`, so that several plots in one page do not share any. Colours of the
    palette become variables of the page's style sheet. `description` is what a screen reader says.
    """
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {
            _local(name): _value(_local(name), value, prefix)
            for name, value in element.attrib.items()
        }
        if element.tag != "text":
            element.text = None  # line ends between elements
        element.tail = None
    width = float(root.attrib["width"].removesuffix("pt")) / _POINTS_PER_PIXEL
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": f"{width:.0f}",
        "role": "img",
        "aria-label": description,
        "id": prefix,
    }
    return ElementTree.tostring(root, encoding="unicode")


def _local(name: str) -> str:
    """A name without its namespace, as HTML wants it."""
    return name.rpartition("}")[2]


def _value(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        return value.replace("#", f"#{prefix}-", 1)
    if name == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-", 1)
    if name == "style":
        value = re.sub(r"font-family: [^;]*;? ?", "", value)
        return _COLOUR.sub(lambda found: _STYLE_COLOURS.get(found[0], found[0]), value)
    if name == "d":
        return " ".join(re.sub(r"(\.\d\d)\d+", r"\1", value).split())
    return value
