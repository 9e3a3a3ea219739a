# SPDX-License-Identifier: MIT
"""A sheet of SVG. It brings its own background, so that it reads on light and dark pages alike."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

# One hue for each owner or direction: white words are readable on it, and it on both backgrounds. Everything else is a
# shade of ink.
COLOURS = {"amber": "#a9660f", "blue": "#3574cc", "green": "#268458", "violet": "#8660cc", "red": "#cf3f3f"}

_STYLE = """
.paper{fill:#ffffff;stroke:#d0d7de}
.ink{fill:#1f2328} .alarm{fill:#c42b2b} .soft{fill:#636c76} .onhue{fill:#ffffff} .onink{fill:#ffffff}
.cell{fill:#eef1f4;stroke:#ffffff} .gap{fill:none;stroke:#ffffff} .line{stroke:#8c959f;fill:none}
.halo{stroke:#ffffff;stroke-width:3px;paint-order:stroke} .hollow{fill:none;stroke:#ffffff}
.paperless{fill:#ffffff} .changed{fill:none;stroke:#d6409f} .page{stroke:#57606a;fill:none}
.bit{fill:#57606a;stroke:#ffffff} .nobit{fill:#ffffff;stroke:#d0d7de}
@media (prefers-color-scheme: dark) {
.paper{fill:#0d1117;stroke:#30363d}
.ink{fill:#e6edf3} .alarm{fill:#ff7b72} .onink{fill:#0d1117} .soft{fill:#9198a1}
.cell{fill:#21262d;stroke:#0d1117} .gap{stroke:#0d1117} .line{stroke:#6e7681}
.halo{stroke:#0d1117} .paperless{fill:#0d1117} .changed{stroke:#f778ba}
.page{stroke:#b1bac4} .bit{fill:#b1bac4;stroke:#0d1117} .nobit{fill:#161b22;stroke:#30363d}
}
"""


class Sheet:
    """Shapes in the order in which they were added; str() is the file."""

    def __init__(self, width: float, height: float, title: str, description: str):
        self.width, self.height = width, height
        self._title, self._description = title, description
        self._parts: list[str] = []

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        colour: str | None = None,
        kind: str = "",
        round: float = 0,
        opacity: float = 1,
        tip: str = "",
    ) -> None:
        """A rectangle in one of COLOURS, or of a kind that the style knows. A pointer that rests on it shows tip."""
        rounded = f' rx="{_n(round)}"' if round else ""
        self._add(
            "rect",
            f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"{rounded}'
            + _paint(colour, kind, opacity),
            tip,
        )

    def path(
        self,
        d: str,
        *,
        colour: str | None = None,
        kind: str = "",
        width: float = 1,
        opacity: float = 1,
        filled: bool = False,
        tip: str = "",
    ) -> None:
        """A line, or with filled a shape. A pointer that rests on a shape shows tip."""
        if filled:
            self._add("path", f'd="{d}"' + _paint(colour, kind, opacity), tip)
            return
        stroke = f' stroke="{COLOURS[colour]}" fill="none"' if colour else f' class="{kind or "line"}"'
        faint = f' stroke-opacity="{_n(opacity)}"' if opacity < 1 else ""
        self._add("path", f'd="{d}" stroke-width="{_n(width)}"{stroke}{faint}')

    def changed(self, x: float, y: float, width: float, height: float) -> None:
        """A frame round what is not as it was a moment before."""
        self._add(
            "rect",
            f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="3" '
            'stroke-width="2.2" class="changed"',
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        kind: str = "ink",
        anchor: str = "start",
        bold: bool = False,
        colour: str | None = None,
    ) -> None:
        weight = ' font-weight="600"' if bold else ""
        side = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"{side}{weight}'
            f"{_paint(colour, kind, 1)}>{escape(text)}</text>"
        )

    def _add(self, tag: str, attributes: str, tip: str = "") -> None:
        inside = f"><title>{escape(tip)}</title></{tag}>" if tip else "/>"
        self._parts.append(f"<{tag} {attributes}{inside}")

    def __str__(self) -> str:
        width, height = _n(self.width), _n(self.height)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" '
                f'role="img" aria-label={quoteattr(self._title)} font-family="{FONT}">',
                f"<title>{escape(self._title)}</title>",
                f"<desc>{escape(self._description)}</desc>",
                f"<style>{_STYLE}</style>",
                f'<rect class="paper" x=".5" y=".5" '
                f'width="{_n(self.width - 1)}" height="{_n(self.height - 1)}" rx="10"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        )


def _paint(colour: str | None, kind: str, opacity: float) -> str:
    paint = f' fill="{COLOURS[colour]}"' if colour else f' class="{kind}"'
    return paint + (f' fill-opacity="{_n(opacity)}"' if opacity < 1 else "")


def _n(value: float) -> str:
    """A number as short as it can be said at a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
