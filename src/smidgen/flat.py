"""All parameters of a model in one vector."""

import torch
from torch import nn


class Flat:
    """All parameters of a model in one vector, and all gradients in another.

    Every parameter and its gradient become views of the two vectors, so that an optimizer step,
    an average or a perturbation of the whole model is one operation. ``kernels`` are those of
    more than one dimension, in the order of the vectors, which begin with them.
    """

    def __init__(self, model: nn.Module) -> None:
        # convolution weights first: they are decayed, biases and batch norm are not
        ordered = sorted(model.parameters(), key=lambda parameter: parameter.ndim <= 1)
        self.kernels = tuple(p for p in ordered if p.ndim > 1)
        self.decayed = sum(p.numel() for p in self.kernels)
        with torch.no_grad():
            self.weights = torch.cat([p.detach().reshape(-1).float() for p in ordered])
            self.gradient = torch.zeros_like(self.weights)
            start = 0
            for p in ordered:
                stop = start + p.numel()
                p.data = self.weights[start:stop].view(p.shape)
                p.grad = self.gradient[start:stop].view(p.shape)
                start = stop
