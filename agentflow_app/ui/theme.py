"""The look of the app: one accent, one gray, one type scale, a 4 px grid.

Colours are Radix tokens, so light and dark come from one set of names. Pages compose `ui.components`; only
this file and `assets/agentflow.css` hold values.
"""

from typing import Any, Final

from reflex.plugins.shared_tailwind import TailwindConfig
from reflex_components_radix.plugin import RadixThemesPlugin

ACCENT: Final = "iris"
GRAY: Final = "slate"

_STEPS = range(1, 13)
_SCALES = ("accent", "gray", "red", "green", "amber", "blue", "violet", "teal", "pink", "iris")


def _scale(name: str) -> dict[str, str]:
    steps = {str(step): f"var(--{name}-{step})" for step in _STEPS}
    return steps | {f"a{step}": f"var(--{name}-a{step})" for step in _STEPS}


_COLORS: dict[str, Any] = {name: _scale(name) for name in _SCALES} | {
    "panel": "var(--color-panel-solid)",
    "page": "var(--af-page)",
    "danger": "var(--af-danger)",
    "danger-hover": "var(--af-danger-hover)",
    "contrast": "var(--accent-contrast)",
    "white": "#fff",
    "black": "#000",
    "transparent": "transparent",
    "current": "currentColor",
}

TAILWIND: Final[TailwindConfig] = {
    "content": [
        "./app/**/*.{js,jsx}",
        "./app_components/**/*.{js,jsx}",
        "./utils/**/*.{js,jsx}",
        "./public/external/**/*.{js,jsx}",
    ],
    "plugins": [],
    "theme": {
        "extend": {
            "colors": _COLORS,
            "fontFamily": {
                "sans": "var(--default-font-family)",
                "mono": "var(--code-font-family)",
            },
            "fontSize": {
                "2xs": ["10px", "16px"],
                "xs": ["11px", "16px"],
                "sm": ["12px", "16px"],
                "base": ["13px", "20px"],
                "md": ["14px", "20px"],
                "lg": ["16px", "24px"],
                "xl": ["20px", "28px"],
                "2xl": ["24px", "32px"],
            },
            "boxShadow": {
                "card": "0 1px 2px var(--black-a2)",
                "float": "0 4px 16px var(--black-a4), 0 1px 3px var(--black-a3)",
            },
        }
    },
}
"""Passed to the Tailwind plugin by rxconfig.py."""


class RadixThemes(RadixThemesPlugin):  # type: ignore[misc]  # loaded lazily, so untyped
    """Radix Themes, bundled as far as the pages import it.

    Reflex' own plugin hands the whole library to components that are made at run time. There are none here,
    and it would double what a browser loads first.
    """

    def get_frontend_dependencies(self, **context: Any) -> tuple[str, ...]:
        return ()


NODE_TONES: Final[dict[str, str]] = {
    "trigger": "amber",
    "ai": "violet",
    "action": "blue",
    "logic": "teal",
    "human": "pink",
}
"""The hue of each node type."""

NODE_GROUPS: Final[dict[str, str]] = {
    "trigger": "Triggers",
    "ai": "AI",
    "action": "Actions",
    "logic": "Logic",
    "human": "People",
}

STATUS_TONES: Final[dict[str, str]] = {
    "completed": "green",
    "active": "green",
    "running": "blue",
    "retrying": "amber",
    "pending": "gray",
    "waiting": "amber",
    "waiting_approval": "amber",
    "uncertain": "amber",
    "paused": "amber",
    "failed": "red",
    "cancelled": "gray",
    "skipped": "gray",
    "draft": "gray",
    "archived": "gray",
    "expired": "gray",
    "inactive": "gray",
    "suspended": "amber",
    "deleted": "red",
}

STATUS_LABELS: Final[dict[str, str]] = {
    "waiting_approval": "needs approval",
}

STATUS_ICONS: Final[dict[str, str]] = {
    "completed": "circle-check",
    "active": "circle-check",
    "running": "loader-circle",
    "retrying": "rotate-cw",
    "pending": "circle-dashed",
    "waiting": "clock",
    "waiting_approval": "user-round-check",
    "uncertain": "circle-help",
    "paused": "circle-pause",
    "failed": "circle-x",
    "cancelled": "circle-slash",
    "skipped": "circle-minus",
    "draft": "pencil-line",
    "archived": "archive",
    "expired": "clock",
    "inactive": "circle-slash",
    "suspended": "circle-pause",
    "deleted": "trash-2",
}
