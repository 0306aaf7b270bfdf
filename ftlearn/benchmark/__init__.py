"""How fast is ftlearn beside the usual tools? They are measured in turn, on the same workload.

``contenders`` holds the loops; ``throughput``, ``prediction``, ``time_to_accuracy``, ``few_shot``,
``ablation``, ``sft`` and ``generation`` each measure one part, and ``report`` writes the results.
The command is ``ftlearn bench``.
"""

from __future__ import annotations
