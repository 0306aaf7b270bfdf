"""How fast is it, and beside whom? The loops one would use instead, measured in turn.

``command`` is ``ftlearn bench``; ``contenders`` holds the loops; ``speed``, ``accuracy``, ``few``
and ``levers`` each measure one part, and ``report`` writes what was found.
"""

from __future__ import annotations
