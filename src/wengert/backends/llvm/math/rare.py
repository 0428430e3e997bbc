"""Slow paths for a few arguments that leave the loops around them vectorised.

A call of ``rare(x, y)`` gives `y`, or a slow function of `x` where |x| exceeds a limit. LLVM would
not vectorise the branch; it does vectorise a call that declares its variants for vectors, in which
the branch asks whether any lane is concerned. The slow functions are compiled once, by `large`.
"""

from __future__ import annotations

from ..values import float_text
from ..writer import Module
from .arithmetic import Kernel, Number

WIDTHS = (2, 4, 8)
PURE = "nounwind willreturn memory(none)"
_SELDOM = '!prof !{!"branch_weights", i32 1, i32 1000000}'


def symbol(name: str) -> str:
    """Return the name by which code calls a slow function."""
    return f"wengert.large.{name}"


def rarely(k: Kernel, name: str, limit: float, x: Number, y: Number) -> Number:
    """Return `y`, and the slow function of `x` where |x| is above the limit."""
    module, full_name = k.function.module, f"wengert.rare.{name}"
    if full_name not in module.definitions:
        _define(module, full_name, name, limit)
    return Number(k, k.emit(f'call double @"{full_name}"(double {x.value}, double {y.value})'))


def _define(module: Module, full_name: str, name: str, limit: float) -> None:
    cold = symbol(name)
    module.declare(cold, "double", "double", attributes=f"{PURE} cold")
    lanes = f"wengert.lanes.{name}"
    module.define(lanes, _lanes(lanes, cold, limit))
    mapped = []
    for width in WIDTHS:
        variant = f"{full_name}.v{width}"
        module.define(variant, _variant(module, variant, lanes, width, limit))
        mapped.append(f"_ZGV_LLVM_N{width}vv_{full_name}({variant})")
    module.define(full_name, _scalar(module, full_name, cold, limit, ",".join(mapped)))


def _bound(limit: float, kind: str = "double") -> str:
    number = float_text(limit, False)
    return number if kind == "double" else f"splat (double {number})"


def _scalar(module: Module, name: str, cold: str, limit: float, mapped: str) -> str:
    absolute = module.declare("llvm.fabs.f64", "double", "double")
    return f"""\
define internal double @"{name}"(double %x, double %y) {PURE} noinline \
"vector-function-abi-variant"="{mapped}" {{
  %size = call double {absolute}(double %x)
  %above = fcmp ogt double %size, {_bound(limit)}
  br i1 %above, label %rare, label %done, {_SELDOM}
rare:
  %slow = call double @"{cold}"(double %x)
  ret double %slow
done:
  ret double %y
}}"""


def _lanes(name: str, cold: str, limit: float) -> str:
    """Return the text of a function that puts slow results into `ys` in memory."""
    return f"""\
define internal void @"{name}"(ptr %xs, ptr %ys, i64 %count) nounwind noinline cold {{
entry:
  br label %lane
lane:
  %i = phi i64 [0, %entry], [%next, %following]
  %place = getelementptr double, ptr %xs, i64 %i
  %x = load double, ptr %place
  %opposite = fneg double %x
  %negative = fcmp olt double %x, 0.0
  %size = select i1 %negative, double %opposite, double %x
  %above = fcmp ogt double %size, {_bound(limit)}
  br i1 %above, label %rare, label %following
rare:
  %slow = call double @"{cold}"(double %x)
  %target = getelementptr double, ptr %ys, i64 %i
  store double %slow, ptr %target
  br label %following
following:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %count
  br i1 %more, label %lane, label %done
done:
  ret void
}}"""


def _variant(module: Module, name: str, lanes: str, width: int, limit: float) -> str:
    """Return the text of the function for so many lanes: one test for all of them.

    Weak and hidden: LLVM keeps it although nothing calls it before loops are vectorised, and
    several modules may have it.
    """
    kind = f"<{width} x double>"
    absolute = module.declare(f"llvm.fabs.v{width}f64", kind, kind)
    either = module.declare(f"llvm.vector.reduce.or.v{width}i1", "i1", f"<{width} x i1>")
    return f"""\
define weak_odr hidden {kind} @"{name}"({kind} %x, {kind} %y) {PURE} alwaysinline {{
  %xs = alloca {kind}
  %ys = alloca {kind}
  %size = call {kind} {absolute}({kind} %x)
  %above = fcmp ogt {kind} %size, {_bound(limit, kind)}
  %anywhere = call i1 {either}(<{width} x i1> %above)
  br i1 %anywhere, label %rare, label %done, {_SELDOM}
rare:
  store {kind} %x, ptr %xs
  store {kind} %y, ptr %ys
  call void @"{lanes}"(ptr %xs, ptr %ys, i64 {width})
  %slow = load {kind}, ptr %ys
  ret {kind} %slow
done:
  ret {kind} %y
}}"""
