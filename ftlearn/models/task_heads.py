"""The heads of several tasks on one encoder, in the place of a model's last linear layer."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

RATE = 100.0
"""How much faster a log-variance learns than other parameters: Adam moves those by about the
learning rate per update, 1e-4, of which a few hundred would not change a weight."""


class TaskHeads(nn.Module):
    """A linear layer per task, (B, D) to (B, ΣK): what they give, side by side.

    ``heads["topic"]`` is one of them. With ``learned`` a log-variance per task follows, the same in
    each row, (B, ΣK + n). It computes in fp32 under autocast, too.

    >>> heads = TaskHeads({"topic": nn.Linear(4, 3), "stars": nn.Linear(4, 1)}, learned=True)
    >>> heads(torch.ones(2, 4)).shape, heads["stars"].out_features
    (torch.Size([2, 6]), 1)
    """

    def __init__(self, layers: Mapping[str, nn.Linear], *, learned: bool) -> None:
        super().__init__()
        self.names = tuple(layers)
        for name, layer in layers.items():
            self.add_module(f"for_{name}", layer)  # else "type" would be a name that is taken
        device = next(iter(layers.values())).weight.device
        steps = nn.Parameter(torch.zeros(len(layers), device=device)) if learned else None
        self.register_parameter("log_variance_steps", steps)

    def __getitem__(self, name: str) -> nn.Linear:
        return getattr(self, f"for_{name}")

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            outputs = [self[name](vectors.float()) for name in self.names]
        if self.log_variance_steps is not None:
            outputs.append(self.log_variances.expand(len(vectors), -1))
        return torch.cat(outputs, dim=-1)

    @property
    def log_variances(self) -> torch.Tensor | None:
        """s_i = log σ_i² of each task, (n,); None where weights are not learned."""
        if self.log_variance_steps is None:
            return None
        steps = self.log_variance_steps.float()
        return RATE * steps.detach() + steps - steps.detach()  # its gradient is that of s_i

    # As one linear layer, but for the log-variances

    @property
    def weight(self) -> torch.Tensor:
        """The weights of all heads, (ΣK, D)."""
        return torch.cat([self[name].weight for name in self.names])

    @property
    def bias(self) -> torch.Tensor | None:
        """The biases of all heads, (ΣK,), where they have any."""
        biases = [self[name].bias for name in self.names]
        return None if None in biases else torch.cat(biases)

    @property
    def in_features(self) -> int:
        return self[self.names[0]].in_features

    @property
    def out_features(self) -> int:
        return sum(self[name].out_features for name in self.names)
