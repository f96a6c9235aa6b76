"""What was wrong with the arguments of a call that failed: one line in place of an error from deep inside.

Nothing is looked at before a call fails, so that whatever works goes on working. Then the arguments are
compared with the annotations of what was called, and the first that does not fit becomes a `UsageError`; so
do shapes that do not fit one another. Errors in a person's own code stay as they are. No torch.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import sys
import sysconfig
import traceback
import types
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Callable as AnyCallable
from pathlib import Path
from typing import Any

from .errors import GibbsianError, UsageError, did_you_mean

RAW = (TypeError, AttributeError, ValueError, LookupError, RuntimeError, ArithmeticError, AssertionError)
PACKAGE = str(Path(__file__).parents[1])
LIBRARIES = (PACKAGE, "<", sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"))
LONG = 400
"""Letters of an error that holds a whole value, such as a tensor given for a number."""
NAMES = {int: "a whole number", float: "a number", str: "text", bool: "True or False", Path: "a path"}
EXAMPLES = {
    "NoneType": "None",
    "Tensor": "a tensor",
    "ndarray": "an array",
    "Kernel": "a kernel, such as gibbsian.MALA(0.1)",
    "Start": "a start, such as gibbsian.UniformNoise((2,), -2, 2)",
    "EnergyModel": "a model, as gibbsian.fit or gibbsian.load returns it",
    "Module": "a network (an object of an nn.Module)",
}


def explained(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, that says which of its arguments cannot be; for a class its `__init__`, in place."""
    if isinstance(function, type):
        if isinstance(made := vars(function).get("__init__"), types.FunctionType):
            made.__dict__["owner"] = function
            function.__init__ = explained(made)  # type: ignore[misc]
        return function

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if (torch := sys.modules.get("torch")) and torch.compiler.is_compiling():
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except (GibbsianError, *RAW) as error:
            said = isinstance(error, GibbsianError) and len(str(error)) < LONG
            if said or sys._getframe(1).f_code.co_filename.startswith(PACKAGE):
                raise
            if told := _reason(function, args, kwargs, error):
                raise UsageError(told) from error
            raise

    return call


def _reason(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception
) -> str:
    """What an argument is and should be, or that shapes do not fit; "" where they are not to blame."""
    signature = inspect.signature(function)
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as unbound:
        loose = [k for k in kwargs if k not in signature.parameters]
        near = f"; {did_you_mean(loose[0], signature.parameters)}" if loose else ""
        return f"{name}: {unbound}{near}"
    found = [(k, v, _hint(function, signature.parameters[k])) for k, v in given.items() if k != "self"]
    for key, value, hint in found:
        if not fits(value, hint):
            return f"{key} is {shown(value)}: {name} takes {words(hint)} there{_instance(value)}"
    for key, value, hint in found:
        if odd := _odd(value, hint):
            return f"{key} is {shown(value)}: {odd}"
    if not isinstance(error, (RuntimeError, IndexError, TypeError)) or isinstance(error, NotImplementedError):
        return ""
    tensors = [f"{key} {tuple(value.shape)}" for key, value, _ in found if _is_tensor(value)]
    if not tensors or type(error).__name__ == "OutOfMemoryError" or _in_own_code(error):
        return ""
    return f"{name} cannot work with {', '.join(tensors)}: {str(error).splitlines()[0]}"


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` is what an annotation asks for; True where that cannot be told."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.TypeVar):
        return hint.__bound__ is None or fits(value, hint.__bound__)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, a) for a in args)
    if origin is typing.Literal:
        return any(value is a or (type(value) is type(a) and value == a) for a in args)
    if origin is AnyCallable or hint is AnyCallable:
        return callable(value) and not isinstance(value, type)
    if hint in (int, float):
        kind = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        each = args if origin is tuple and args[-1] is not Ellipsis else args[:1] * len(value)
        return len(each) == len(value) and all(map(fits, value, each))
    if isinstance(origin, type):
        return isinstance(value, origin)
    if not isinstance(hint, type) or hint in (object, Any):
        return True
    if getattr(hint, "_is_protocol", False):
        return not isinstance(value, type) and set(_members(hint)) <= set(dir(value))
    return isinstance(value, hint)


def words(hint: Any) -> str:
    """An annotation in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.TypeVar):
        return words(hint.__bound__)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(a) for a in args))
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, args))
    if origin is AnyCallable:
        return "a function or network"
    if origin in (tuple, list, Sequence):
        return f"a list or tuple of {' and '.join(words(a) for a in args if a is not Ellipsis)}"
    name = getattr(hint, "__name__", str(hint))
    return NAMES.get(hint) or EXAMPLES.get(name) or f"a {name}"


def shown(value: Any) -> str:
    """A value in few words: tensors and arrays by shape and type, the rest cut after 40 letters."""
    if {"shape", "dtype"} <= set(dir(value)):
        kind = "tensor" if _is_tensor(value) else type(value).__name__
        return f"a {kind} of shape {tuple(value.shape)} and type {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _odd(value: Any, hint: Any) -> str:
    """Why a value of the right type cannot be used; "" where nothing is known against it."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            return "give a finite number"
        return "give a number above 0" if value <= 0 else ""
    if not _is_tensor(value):
        return "" if not isinstance(value, (tuple, list)) or value else "it is empty"
    torch = sys.modules["torch"]
    if value.layout is not torch.strided:
        return f"it is sparse ({value.layout}): use .to_dense()"
    if not value.is_floating_point() and typing.get_origin(hint) is None:
        return "give floating-point numbers, .float()"
    if not bool(torch.isfinite(value).all()):
        return "it holds numbers that are not finite"
    return "it has no rows" if value.numel() == 0 else ""


def _hint(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The annotation as a type; Any where its names are known to type checkers only."""
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return Any
    space, hint = dict(getattr(function, "__globals__", {})), parameter.annotation
    for base in reversed(getattr(vars(function).get("owner"), "__mro__", ())):
        space |= vars(sys.modules[base.__module__])  # fields of a dataclass are annotated where they stand
    try:
        found = eval(hint, space) if isinstance(hint, str) else hint  # annotations of ours
        return Any if found is inspect.Parameter.empty else found
    except (NameError, TypeError, AttributeError):
        return Any


def _members(protocol: type) -> Iterator[str]:
    for base in protocol.__mro__:
        if getattr(base, "_is_protocol", False):
            named = {**vars(base), **vars(base).get("__annotations__", {})}
            yield from (n for n in named if not n.startswith("_"))


def _instance(value: Any) -> str:
    if isinstance(value, type):
        return f"; make an object of it, {value.__name__}(...)"
    return "; torch.as_tensor makes a tensor" if type(value).__name__ == "ndarray" else ""


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _in_own_code(error: BaseException) -> bool:
    """Whether `error` came through a file that is neither ours nor an installed library's."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(not f.startswith(LIBRARIES) for f in files[1:])


def warn(text: str) -> None:
    """A warning at the line of the person's own that led to it."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_stack(sys._getframe(1))]
    own = next((k for k, f in enumerate(files) if not f.startswith(LIBRARIES)), 0)
    warnings.warn(text, stacklevel=own + 2)
