"""Arrays that kernels only borrow.

numba counts references to every array at every call, atomically: for small models that costs more than the arithmetic.
The caller of an entry point owns all arrays for as long as it runs, so inside there is nothing to count.
"""

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

__all__ = ["borrow"]


def _without_owner(context: Any, builder: Any, typ: Any, value: Any) -> Any:
    if isinstance(typ, types.Array):
        array = context.make_array(typ)(context, builder, value)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()
    if isinstance(typ, types.BaseTuple):
        items = cgutils.unpack_tuple(builder, value, len(typ))
        bare = [_without_owner(context, builder, t, item) for t, item in zip(typ, items, strict=True)]
        return context.make_tuple(builder, typ, bare)
    return value


@intrinsic
def _borrow(typing_context: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _without_owner(context, builder, signature.args[0], args[0])

    return value(value), codegen


def borrow(value: Any) -> Any:
    """The same arrays and tuples of arrays, without a count of references; in plain Python, `value` itself.

    Only for arguments of an entry point, and never for what it returns.
    """
    return value


@overload(borrow, strict=False)
def _(value: Any) -> Any:
    return lambda value: _borrow(value)
