"""How large the largest tensor is that torch makes: tracemalloc knows nothing of them."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class LargestTensor(TorchFunctionMode):
    """Sees every tensor that is returned inside its block; ``nbytes`` are the largest one's."""

    nbytes = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.nbytes = max(self.nbytes, made.nbytes)
        return made
