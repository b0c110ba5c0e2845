"""Expressions of Python, in JavaScript."""

from __future__ import annotations

import ast
import json

from vgg_profile.write.javascript.names import Linker, Parameters, Resolved, Untranslatable, refused, safe

_SYMBOLS: dict[type, str] = {ast.Sub: "-", ast.Pow: "**"}
_CALLS: dict[type, str] = {ast.Add: "add", ast.Mult: "mul", ast.FloorDiv: "floor", ast.Mod: "modulo"}
_ORDER: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_METHODS = frozenset(
    [
        "append",
        "extend",
        "index",
        "pop",
        "clear",
        "get",
        "items",
        "keys",
        "setdefault",
        "values",
        "isdigit",
        "join",
        "partition",
        "removeprefix",
        "startswith",
        "endswith",
    ]
)
"""What arrays, maps and strings have under these names stands in ``python.js``."""

_OF_PYTHON = {name for kind in (str, list, dict, set, int, float) for name in dir(kind)} - {"add"}
"""Methods of Python's own kinds, of which no other is known; a set adds as JavaScript's does."""


class Expressions:
    """The expressions of a function, or one that stands outside of any; ``known`` are its variables."""

    def __init__(self, link: Linker, module: str, where: str) -> None:
        self.link = link
        self.module = module
        self.where = where
        self.known: set[str] = set()
        self.made = 0

    def refused(self, node: ast.stmt | ast.expr) -> Untranslatable:
        return refused(node, self.where)

    def target(self, node: ast.expr) -> str:
        """What is assigned to, as JavaScript destructures it."""
        match node:
            case ast.Name(id=name):
                return safe(name)
            case ast.Attribute(value=value, attr=attr):
                return f"{self.expression(value)}.{attr}"
            case ast.Tuple(elts=[*first, ast.Starred(value=last)]):
                return f"[{', '.join([*map(self.target, first), f'...{self.target(last)}'])}]"
            case ast.Tuple(elts=parts):
                places = ("" if ast.unparse(each) == "_" else self.target(each) for each in parts)
                return f"[{', '.join(places)}]"
        raise self.refused(node)

    def condition(self, node: ast.expr) -> str:
        """What counts as true differs between the languages."""
        match node:
            case ast.Compare():
                return self.expression(node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!({self.condition(operand)})"
            case ast.BoolOp(op=op, values=values):
                mark = " && " if isinstance(op, ast.And) else " || "
                return f"({mark.join(map(self.condition, values))})"
        return f"py.truth({self.expression(node)})"

    def expression(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name) if name in self.known:
                return safe(name)
            case ast.Name():
                return self.link.resolve(self.module, node).text
            case ast.Constant(value=None):
                return "null"
            case ast.Constant(value=bool(value)):
                return str(value).lower()
            case ast.Constant(value=str(value)):
                return json.dumps(value).replace("</", "<\\/")
            case ast.Constant(value=int(value)) if value < 2**53:
                return str(value)
            case ast.Constant(value=float(value)):
                return repr(value)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return f"[{', '.join(map(self.expression, parts))}]"
            case ast.Set(elts=parts):
                return f"new Set([{', '.join(map(self.expression, parts))}])"
            case ast.Dict(keys=keys, values=values):
                pairs = (
                    f"[{self.expression(key)}, {self.expression(value)}]"
                    if key
                    else f"...{self.expression(value)}"
                    for key, value in zip(keys, values, strict=True)
                )
                return f"new Map([{', '.join(pairs)}])"
            case ast.Starred(value=value):
                return f"...py.iter({self.expression(value)})"
            case ast.BinOp(left=left, op=op, right=right):
                return self.binary(left, op, right, node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.expression(operand)})"
            case ast.UnaryOp(op=ast.Not()):
                return self.condition(node)
            case ast.BoolOp(op=op, values=values):
                return self.either(op, values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self.condition(test)} ? {self.expression(body)} : {self.expression(orelse)})"
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                tests = [self.compared(sides[n], op, sides[n + 1], node) for n, op in enumerate(ops)]
                return f"({' && '.join(tests)})"
            case ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=upper, step=step)):
                ends = [self.expression(end) if end else "null" for end in (lower, upper, step)]
                return f"py.slice({', '.join([self.expression(value), *ends])})"
            case ast.Subscript(value=value, slice=index):
                return f"py.get({self.expression(value)}, {self.expression(index)})"
            case ast.ListComp(elt=each, generators=loops) | ast.GeneratorExp(elt=each, generators=loops):
                return self.comprehension("[]", "$.push({})", [each], loops)
            case ast.SetComp(elt=each, generators=loops):
                return self.comprehension("new Set()", "$.add({})", [each], loops)
            case ast.DictComp(key=key, value=value, generators=loops):
                return self.comprehension("new Map()", "$.set({}, {})", [key, value], loops)
            case ast.JoinedStr(values=parts):
                return f"`{''.join(map(self.formatted, parts))}`"
            case ast.Lambda(
                args=ast.arguments(args=args, defaults=[], kwonlyargs=[], vararg=None, kwarg=None)
            ):
                with_names = self.known
                self.known = self.known | {each.arg for each in args}
                text = f"(({', '.join(safe(each.arg) for each in args)}) => {self.expression(node.body)})"
                self.known = with_names
                return text
            case ast.Yield(value=ast.expr() as value):
                return f"yield {self.expression(value)}"
            case ast.Yield(value=None):
                return "yield null"
            case ast.YieldFrom(value=value):
                return f"yield* py.iter({self.expression(value)})"
            case ast.Call():
                return self.call(node)
            case ast.Attribute(value=value, attr="__getitem__"):
                return f"((at) => py.get({self.expression(value)}, at))"
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name not in self.known:
                if self.link.is_module(self.module, name):
                    return self.link.resolve(self.module, node).text
                self.link.ask(attr)
                return f"{self.expression(node.value)}.{attr}"
            case ast.Attribute(value=value, attr=attr):
                self.link.ask(attr)
                return f"{self.expression(value)}.{attr}"
        raise self.refused(node)

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, node: ast.expr) -> str:
        one, other = self.expression(left), self.expression(right)
        match op:
            case ast.Eq():
                return f"py.eq({one}, {other})"
            case ast.NotEq():
                return f"!py.eq({one}, {other})"
            case ast.In():
                return f"py.has({other}, {one})"
            case ast.NotIn():
                return f"!py.has({other}, {one})"
            case ast.Is():
                return f"(({one}) ?? null) === {other}"
            case ast.IsNot():
                return f"(({one}) ?? null) !== {other}"
        if type(op) not in _ORDER:
            raise self.refused(node)
        return f"{one} {_ORDER[type(op)]} {other}"

    def either(self, op: ast.boolop, values: list[ast.expr]) -> str:
        """The first that decides, itself."""
        first, *rest = values
        if not rest:
            return self.expression(first)
        self.made += 1
        name, others = f"first_{self.made}", self.either(op, rest)
        pair = f"{name} : {others}" if isinstance(op, ast.Or) else f"{others} : {name}"
        return f"(({name}) => (py.truth({name}) ? {pair}))({self.expression(first)})"

    def binary(self, left: ast.expr, op: ast.operator, right: ast.expr, node: ast.stmt | ast.expr) -> str:
        one, other = self.expression(left), self.expression(right)
        if type(op) in _CALLS:
            return f"py.{_CALLS[type(op)]}({one}, {other})"
        if type(op) in _SYMBOLS:
            return f"({one} {_SYMBOLS[type(op)]} {other})"
        raise self.refused(node)

    def call(self, node: ast.Call) -> str:
        match node.func:
            case ast.Name(id="isinstance"):
                return self.is_a(node)
            case ast.Name(id="id" | "cast"):
                return self.expression(node.args[-1])
            case ast.Name(id=name) if name in self.known:
                return f"{safe(name)}({self.arguments(node, None)})"
            case ast.Name():
                return self.call_of(node, self.link.resolve(self.module, node.func))
            case ast.Attribute(value=ast.Name(id=name)) if name not in self.known and self.link.is_module(
                self.module, name
            ):
                return self.call_of(node, self.link.resolve(self.module, node.func))
            case ast.Call():
                return f"{self.expression(node.func)}({self.arguments(node, None)})"
            case ast.Attribute(value=value, attr=method):
                self.link.ask(method)
                known = self.link.signature(method) if node.keywords else None
                if node.keywords and not known:
                    self.link.miss(method, node, self.where)
                    return f'py.missing("{method}")'
                values = self.arguments(node, known)
                if method == "_replace" or (method in _OF_PYTHON and method not in _METHODS):
                    raise self.refused(node)
                if method in _METHODS:
                    return f"py.of.{method}({', '.join(filter(None, [self.expression(value), values]))})"
                return f"{self.expression(value)}.{method}({values})"
        raise self.refused(node)

    def call_of(self, node: ast.Call, found: Resolved) -> str:
        if found.kind == "class":
            if found.text == "py.InputError":
                return f"new py.InputError({self.arguments(node, None)})"
            return f"new {found.text}({self.arguments(node, found.parameters)})"
        if found.kind == "function":
            return f"{found.text}({self.arguments(node, found.parameters)})"
        if found.text == "Error":
            return f"new Error({self.arguments(node, None)})"
        if found.text == "py.replace":
            changes = (f"{each.arg}: {self.expression(each.value)}" for each in node.keywords)
            return f"py.replace({self.expression(node.args[0])}, {{ {', '.join(changes)} }})"
        given = [self.expression(each) for each in node.args]
        options = [(each.arg, self.expression(each.value)) for each in node.keywords if each.arg != "strict"]
        name = found.text.removeprefix("py.")
        if name in ("max", "min") and options:
            given.append(f"py.options({{ {', '.join(f'{key}: {value}' for key, value in options)} }})")
        elif name == "sorted" and options:
            given.append(f"{{ {', '.join(f'{key}: {value}' for key, value in options)} }}")
        elif name in ("accumulate", "enumerate", "groupby"):
            given += [value for _, value in options]
        elif options:
            raise self.refused(node)
        return f"{found.text}({', '.join(given)})"

    def arguments(self, node: ast.Call, parameters: Parameters | None) -> str:
        given = [self.expression(each) for each in node.args]
        if not node.keywords:
            return ", ".join(given)
        named = {each.arg: self.expression(each.value) for each in node.keywords}
        if (
            not parameters
            or any(isinstance(each, ast.Starred) for each in node.args)
            or not named.keys() <= {*parameters}
        ):
            raise self.refused(node)
        rest = [named.pop(name, "undefined") for name in parameters[len(given) :]]
        while rest[-1] == "undefined":
            rest.pop()
        return ", ".join([*given, *rest])

    def is_a(self, node: ast.Call) -> str:
        value, kinds = node.args
        of = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        one = self.expression(value)
        named = [
            f'"{each.id}"'
            if isinstance(each, ast.Name) and each.id in ("int", "str")
            else self.expression(each)
            for each in of
        ]
        return f"({' || '.join(f'py.is({one}, {each})' for each in named)})"

    def comprehension(
        self, start: str, add: str, parts: list[ast.expr], loops: list[ast.comprehension]
    ) -> str:
        outer = self.known
        heads = []
        for loop in loops:
            of = self.expression(loop.iter)
            self.known = self.known | {
                each.id for each in ast.walk(loop.target) if isinstance(each, ast.Name)
            }
            self.made += 1
            each, taken = f"each_{self.made}", ""
            if isinstance(loop.target, ast.Name):
                each = safe(loop.target.id)
            else:
                taken = " ".join([*self.unpacked(loop.target, each, "const "), ""])
            tests = "".join(f"if ({self.condition(test)}) " for test in loop.ifs)
            heads.append(f"for (const {each} of py.iter({of})) {{ {taken}{tests}")
        text = add.format(*map(self.expression, parts))
        self.known = outer
        return f"(() => {{ const $ = {start}; {''.join(heads)}{text}; {'} ' * len(loops)}return $; }})()"

    def unpacked(self, target: ast.expr, value: str, kind: str = "") -> list[str]:
        """A value to a target, or its parts to its parts: read by their places, for iterators cost more."""
        if not isinstance(target, ast.Tuple) or any(isinstance(each, ast.Starred) for each in target.elts):
            of = f"py.iter({value})" if isinstance(target, ast.Tuple) else value
            return [f"{kind}{self.target(target)} = {of};"]
        self.made += 1
        name = f"parts_{self.made}"
        lines = [f"const {name} = py.seen({value});"]
        for place, each in enumerate(target.elts):
            if ast.unparse(each) != "_":
                lines += self.unpacked(each, f"{name}[{place}]", kind)
        return lines

    def formatted(self, part: ast.expr) -> str:
        """A part of an f-string: text, or a number as it is, grouped (``:,``), or led by zeros (``:02``)."""
        match part:
            case ast.Constant(value=str(text)):
                return (
                    json.dumps(text)[1:-1]
                    .replace('\\"', '"')
                    .replace("`", "\\`")
                    .replace("$", "\\$")
                    .replace("</", "<\\/")
                )
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return f"${{{self.expression(value)}}}"
            case ast.FormattedValue(value=value, conversion=-1, format_spec=ast.JoinedStr(values=spec)):
                match spec:
                    case [ast.Constant(value=",")]:
                        return f"${{py.grouped({self.expression(value)})}}"
                    case [ast.Constant(value="0"), ast.FormattedValue(value=digits, format_spec=None)]:
                        return f"${{py.padded({self.expression(value)}, {self.expression(digits)})}}"
        raise self.refused(part)
