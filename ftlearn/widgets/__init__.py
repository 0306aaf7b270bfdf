"""Things to touch: ipywidgets over plain functions. The only room that imports ipywidgets."""

from ftlearn.widgets.explorer import explore

__all__ = ["explore"]
