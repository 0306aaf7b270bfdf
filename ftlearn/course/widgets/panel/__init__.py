"""The training panel: settings, buttons and live curves over a workbench."""

from __future__ import annotations

from ftlearn.course.widgets.panel.panel import TrainingPanel, training_panel

__all__ = ["TrainingPanel", "training_panel"]
