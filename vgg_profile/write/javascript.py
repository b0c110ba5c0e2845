"""Plain Python functions as JavaScript, so that a page runs the rules that Python runs.

The subset is small: integers below 2^53, text, lists and tuples; ``for``, ``while``, ``if``; conditions that
compare; comprehensions; a few functions. Whatever else a function holds is refused by its name, never
guessed: :class:`Untranslatable`. What a type checker sees and a translator does not is up to the author of a
function: ``+`` and ``==`` are for numbers and text, not for lists; indices lie within the list; no divisor is
zero.

Source: ECMAScript 2023 and the Python 3.11 language reference; a browser proves it in the tests.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable

_ARITHMETIC: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Pow: "**"}
_COMPARISONS: dict[type, str] = {ast.Eq: "===", ast.NotEq: "!==", ast.Lt: "<", ast.LtE: "<="}
_COMPARISONS |= {ast.Gt: ">", ast.GtE: ">="}

_FUNCTIONS = {
    "abs": "(number) => Math.abs(number)",
    "len": "(list) => list.length",
    "list": "(list) => [...list]",
    "max": "(...of) => Math.max(...(of.length > 1 ? of : of[0]))",
    "min": "(...of) => Math.min(...(of.length > 1 ? of : of[0]))",
    "range": """(...of) => {
  const [start, stop, step = 1] = of.length > 1 ? of : [0, of[0]];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length }, (_, number) => start + step * number);
}""",
    "sum": "(list) => list.reduce((total, each) => total + each, 0)",
    "zip": "(...lists) => lists[0].map((_, number) => lists.map((list) => list[number]))",
}
"""Python's functions that a function may call. Those that Python makes lazy are lists here."""

_HELPERS = {
    "floor_of": "(number, divisor) => Math.floor(number / divisor)",
    "modulo": "(number, divisor) => number - divisor * Math.floor(number / divisor)",
    "grouped": '(number) => String(number).replace(/\\B(?=(\\d{3})+$)/g, ",")',
    "padded": '(number, digits) => String(number).padStart(digits, "0")',
}
"""What Python has an operator or a format for. A quotient is never rounded up to the next integer where its
divisor and its dividend add up to less than 2^53."""

_METHODS = {"append": "push", "index": "indexOf"}

_RESERVED = """
arguments case catch const debugger default delete do enum eval export extends function implements instanceof
interface let new null package private protected public static super switch this throw typeof undefined var
void
"""
_TAKEN = {*_HELPERS, *_FUNCTIONS, *_RESERVED.split()}
"""No name of a variable: JavaScript has a use for it, or the functions above are called so."""


class Untranslatable(ValueError):  # noqa: N818 - as KeyboardInterrupt
    """What a function holds has no JavaScript here; the message names it and its line."""


def translate(*sources: str) -> str:
    """The functions of some modules as one JavaScript expression, an object that holds them by name.

    A module may hold functions, docstrings and ``from __future__ import annotations``; the functions may call
    one another. Raises :class:`Untranslatable` for anything else.

    >>> print(translate("def share(part, whole):\\n    return 100 * part // whole"))
    (() => {
    const floor_of = (number, divisor) => Math.floor(number / divisor);
    function share(part, whole) {
      return floor_of((100 * part), whole);
    }
    return { share };
    })()
    """
    functions = [each for source in sources for each in _functions_of(source)]
    names = [each.name for each in functions]
    if len(set(names)) < len(names) or _TAKEN & set(names):
        raise Untranslatable(f"two functions of one name, or one whose name is taken: {', '.join(names)}")
    translators = [_Function(each, names) for each in functions]
    texts = [each.text() for each in translators]
    used = set[str]().union(*(each.helpers for each in translators))
    helpers = [f"const {name} = {text};" for name, text in (_FUNCTIONS | _HELPERS).items() if name in used]
    return "\n".join(["(() => {", *helpers, *texts, f"return {{ {', '.join(names)} }};", "})()"])


def _functions_of(source: str) -> Iterable[ast.FunctionDef]:
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(decorator_list=[]):
                yield node
            case ast.ImportFrom(module="__future__") | ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise _refused(node)


def _refused(node: ast.stmt | ast.expr, where: str = "a module") -> Untranslatable:
    text, *_ = ast.unparse(node).splitlines()
    return Untranslatable(
        f"{where}, line {node.lineno}: there is no JavaScript for {type(node).__name__}, `{text}`"
    )


class _Function:
    """The translation of one function; ``helpers`` is what it calls beside the others."""

    def __init__(self, function: ast.FunctionDef, functions: Iterable[str]) -> None:
        self.function = function
        self.functions = set(functions)
        self.helpers: set[str] = set()
        match function.args:
            case ast.arguments(posonlyargs=[], vararg=None, kwonlyargs=[], kwarg=None, defaults=[]):
                self.parameters = [each.arg for each in function.args.args]
            case _:
                raise self.refused(function)
        loops = [each for each in ast.walk(function) if isinstance(each, ast.comprehension)]
        inner = {name for each in loops for name in ast.walk(each.target)}  # an arrow function declares these
        stored = {
            node: node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self.known = {*self.parameters, *stored.values()}
        outer = dict.fromkeys(name for node, name in stored.items() if node not in inner)
        self.locals = [name for name in outer if name not in self.parameters]
        if taken := _TAKEN & self.known:
            raise Untranslatable(f"{function.name}: {', '.join(sorted(taken))} is no name for a variable")

    def refused(self, node: ast.stmt | ast.expr) -> Untranslatable:
        return _refused(node, self.function.name)

    def text(self) -> str:
        declared = [f"let {', '.join(self.locals)};"] if self.locals else []
        head = f"function {self.function.name}({', '.join(self.parameters)})"
        return "\n".join(self.block(head, self.function.body, declared))

    # -- statements

    def block(self, head: str, body: Iterable[ast.stmt], first: Iterable[str] = ()) -> list[str]:
        lines = [*first, *(line for each in body for line in self.statement(each))]
        return [f"{head} {{", *(f"  {line}" for line in lines), "}"]

    def statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                return []
            case ast.Expr(value=value):
                return [f"{self.expression(value)};"]
            case ast.Return(value=ast.expr() as value):
                return [f"return {self.expression(value)};"]
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                return [f"{self.expression(target)} = {self.expression(value)};"]
            case ast.AugAssign(target=target, op=op, value=value):
                return [f"{self.expression(target)} = {self.binary(target, op, value)};"]
            case ast.For(target=target, iter=of, body=body, orelse=[]):
                return self.block(f"for ({self.expression(target)} of {self.expression(of)})", body)
            case ast.While(test=test, body=body, orelse=[]):
                return self.block(f"while ({self.condition(test)})", body)
            case ast.If(test=test, body=body, orelse=orelse):
                lines = self.block(f"if ({self.condition(test)})", body)
                return lines + self.block("else", orelse) if orelse else lines
        raise self.refused(node)

    # -- expressions

    def condition(self, node: ast.expr) -> str:
        """A comparison or several: what counts as true differs between the languages."""
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return f"{self.expression(left)} {_COMPARISONS[type(op)]} {self.expression(right)}"
            case ast.BoolOp(op=op, values=values):
                return (
                    f"({(' && ' if isinstance(op, ast.And) else ' || ').join(map(self.condition, values))})"
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!({self.condition(operand)})"
        raise self.refused(node)

    def expression(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) if name in self.known:
                return name
            case ast.Constant(value=bool(value)):
                return str(value).lower()
            case ast.Constant(value=str(value)):
                return json.dumps(value).replace("</", "<\\/")
            case ast.Constant(value=int(value)) if value < 2**53:
                return str(value)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return f"[{', '.join(map(self.expression, parts))}]"
            case ast.Starred(value=value):
                return f"...{self.expression(value)}"
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(left, op, right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.expression(operand)})"
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self.condition(test)} ? {self.expression(body)} : {self.expression(orelse)})"
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                ends = [
                    self.expression(lower) if lower else "0",
                    *([self.expression(upper)] if upper else []),
                ]
                return f"{self.expression(value)}.slice({', '.join(ends)})"
            case ast.Subscript(value=value, slice=ast.UnaryOp(operand=ast.Constant()) as index):
                return f"{self.expression(value)}.at({self.expression(index)})"
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                return f"{self.expression(value)}[{self.expression(index)}]"
            case ast.ListComp(elt=each, generators=loops) | ast.GeneratorExp(elt=each, generators=loops):
                return self.comprehension(each, loops)
            case ast.JoinedStr(values=parts):
                return f"`{''.join(map(self.formatted, parts))}`"
            case ast.Call():
                return self.call(node)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return f"({self.condition(node)})"
        raise self.refused(node)

    def help(self, name: str, *arguments: str) -> str:
        self.helpers.add(name)
        return f"{name}({', '.join(arguments)})"

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr) -> str:
        if isinstance(left, ast.List) or isinstance(right, ast.List):
            raise self.refused(ast.BinOp(left, op, right, lineno=left.lineno))
        values = self.expression(left), self.expression(right)
        match op:
            case ast.FloorDiv():
                return self.help("floor_of", *values)
            case ast.Mod():
                return self.help("modulo", *values)
        if type(op) not in _ARITHMETIC:
            raise self.refused(ast.BinOp(left, op, right, lineno=left.lineno))
        return f"({values[0]} {_ARITHMETIC[type(op)]} {values[1]})"

    def call(self, node: ast.Call) -> str:
        match node:
            case ast.Call(func=ast.Name(id="zip"), keywords=[ast.keyword(arg="strict")]):
                return self.help("zip", *map(self.expression, node.args))
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in _FUNCTIONS:
                return self.help(name, *map(self.expression, node.args))
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in self.functions - self.known:
                return f"{name}({', '.join(map(self.expression, node.args))})"
            case ast.Call(func=ast.Attribute(value=value, attr=method), args=[argument], keywords=[]):
                if method in _METHODS:
                    return f"{self.expression(value)}.{_METHODS[method]}({self.expression(argument)})"
        raise self.refused(node)

    def comprehension(self, each: ast.expr, loops: list[ast.comprehension]) -> str:
        loop, *inner = loops
        head = f"({self.expression(loop.target)}) =>"
        found = self.expression(loop.iter)
        for test in loop.ifs:
            found += f".filter({head} {self.condition(test)})"
        if inner:
            return f"{found}.flatMap({head} {self.comprehension(each, inner)})"
        return f"{found}.map({head} {self.expression(each)})"

    def formatted(self, part: ast.expr) -> str:
        """A part of an f-string: text, or a number as it is, grouped (``:,``), or led by zeros (``:02``)."""
        match part:
            case ast.Constant(value=str(text)):
                return json.dumps(text)[1:-1].replace("`", "\\`").replace("$", "\\$").replace("</", "<\\/")
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return f"${{{self.expression(value)}}}"
            case ast.FormattedValue(value=value, conversion=-1, format_spec=ast.JoinedStr(values=spec)):
                match spec:
                    case [ast.Constant(value=",")]:
                        return f"${{{self.help('grouped', self.expression(value))}}}"
                    case [ast.Constant(value="0"), ast.FormattedValue(value=digits, format_spec=None)]:
                        return f"${{{self.help('padded', self.expression(value), self.expression(digits))}}}"
        raise self.refused(part)
