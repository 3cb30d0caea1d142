"""Bokeh figures inside one file that asks nobody for anything.

The library comes from the installed package and is put into the page; figures are blocks of JSON, and one
small script draws them. The content security policy names the two scripts by their SHA-256 and allows no
other, no connection and no evaluation of text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bokeh.models import LayoutDOM


def figure_json(figure: LayoutDOM, target: str) -> str:
    """The figure as JSON that may stand inside a ``<script>`` block and is drawn into the element ``target``.

    Bokeh numbers models by a counter of the process; they are renamed in order of appearance, so that equal
    figures give equal bytes.
    """
    from bokeh.embed import json_item

    names: dict[str, str] = {}

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: names.setdefault(value, f"{target}-{len(names)}")
                if key in ("id", "root_id") and isinstance(value, str)
                else renamed(value)
                for key, value in node.items()
            }
        return [renamed(item) for item in node] if isinstance(node, list) else node

    item = renamed(json_item(figure, target))
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@dataclass(frozen=True, slots=True)
class Scripts:
    """Source texts of the page's scripts, in order; none if nothing is drawn."""

    sources: tuple[str, ...] = ()

    @classmethod
    def for_figures(cls) -> Scripts:
        """The figure library of the installed Bokeh, and the script that draws."""
        from bokeh.resources import Resources

        library = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
        ours = files("foreseal.pages").joinpath("templates/draw.js").read_text("utf-8")
        return cls((library.replace("</script", "<\\/script"), ours))

    def policy(self) -> str:
        """The content security policy. Bokeh styles its own shadow trees, hence inline styles."""
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in self.sources
        ]
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src {' '.join(hashes) or chr(39) + 'none' + chr(39)}",
                "style-src 'unsafe-inline'",
                "img-src data:",
                "font-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        )
