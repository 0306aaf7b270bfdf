"""Python runs this at its start where this folder is on PYTHONPATH: see `tools/regimes.py`.

The products are replaced when a process imports torch, so that one without torch stays as fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class AfterTorch:
    """Finds torch as Python does, once, and replaces its products right after its import."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of torch, whose loader also replaces the products; else None."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None:
            return None
        load = spec.loader.exec_module

        def load_and_replace(module: ModuleType) -> None:
            load(module)
            import bf16_products  # only now: it needs torch

            self.library = bf16_products.imitate()  # held, since the end of it ends the imitation

        spec.loader.exec_module = load_and_replace
        return spec


sys.meta_path.insert(0, AfterTorch())
