"""Fonts with Chinese characters for figures."""

from __future__ import annotations

from matplotlib import font_manager

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Arial Unicode MS",
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
)
"""In the order in which they are taken; each system brings one of them, or a package does."""


def chinese_fonts() -> list[str]:
    """The installed fonts that matplotlib can draw Chinese with, the best first."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in CHINESE_FONTS if name in installed]
