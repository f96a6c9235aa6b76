"""What leaves torch while a tape is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

LEAVING = {Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__dlpack__, Tensor.data_ptr}


class Reads(TorchFunctionMode):
    """Sees what is read by a way that no operation takes, while it is entered.

    `refuse` is called with a reason when that is a tensor of which `depends` is true.
    """

    def __init__(self, depends: Callable[[Tensor], bool], refuse: Callable[[str], None]) -> None:
        super().__init__()
        self.depends, self.refuse = depends, refuse

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in LEAVING and self.depends(args[0]):
            self.refuse("it reads numbers of the position outside torch")
        return func(*args, **(kwargs or {}))
