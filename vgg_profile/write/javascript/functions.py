"""Functions of Python, in JavaScript: their parameters, their variables, their statements."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from vgg_profile.write.javascript.expressions import Expressions
from vgg_profile.write.javascript.names import safe


class Function(Expressions):
    """The translation of one function: its statements."""

    def function(self, node: ast.FunctionDef, head: str, *, is_method: bool = False) -> list[str]:
        given = node.args
        if given.kwarg is not None or given.posonlyargs or (given.vararg and given.kwonlyargs):
            raise self.refused(node)
        names = [each.arg for each in (*given.args, *given.kwonlyargs)]
        defaults: list[ast.expr | None] = [None] * (len(given.args) - len(given.defaults))
        defaults += [*given.defaults, *given.kw_defaults]
        many = [given.vararg.arg] if given.vararg else []
        self.known |= {*names, *many, *_stored(node)}
        parts = [
            safe(name) if default is None else f"{safe(name)} = {self.expression(default)}"
            for name, default in zip(names, defaults, strict=True)
        ]
        parts += [f"...{safe(name)}" for name in many]
        first = [f"const {names[0]} = this;"] if is_method else []
        outer = [name for name in _declared(node) if name not in (*names, *many)]
        first += [f"let {', '.join(map(safe, outer))};"] if outer else []
        star = "*" if any(isinstance(each, (ast.Yield, ast.YieldFrom)) for each in ast.walk(node)) else ""
        if star and head.startswith("get "):
            raise self.refused(node)
        head = (
            f"function* {head.removeprefix('function ')}"
            if star and head.startswith("function ")
            else star * (not head.startswith("function")) + head
        )
        return self.block(f"{head}({', '.join(parts[1:] if is_method else parts)})", node.body, first)

    # -- statements

    def block(self, head: str, body: Iterable[ast.stmt], first: Iterable[str] = ()) -> list[str]:
        lines = [*first, *(line for each in body for line in self.statement(each))]
        return [f"{head} {{", *(f"  {line}" for line in lines), "}"]

    def statement(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                return []
            case ast.Expr(value=value):
                return [f"{self.expression(value)};"]
            case ast.Return(value=None):
                return ["return null;"]
            case ast.Return(value=ast.expr() as value):
                return [f"return {self.expression(value)};"]
            case ast.AnnAssign(value=None):
                return []
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if _are_pairs(
                targets, values
            ):
                return self.at_once(targets, values)
            case ast.Assign(targets=[target], value=value):
                return self.assigned(target, self.expression(value))
            case ast.Assign(targets=targets, value=value):
                self.made += 1
                name = f"value_{self.made}"
                return [
                    f"const {name} = {self.expression(value)};",
                    *(line for each in targets for line in self.assigned(each, name)),
                ]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return self.assigned(target, self.expression(value))
            case ast.AugAssign(target=target, op=op, value=value):
                return self.assigned(target, self.binary(_loaded(target), op, value, node))
            case ast.For(target=target, iter=of, body=body, orelse=[]):
                self.made += 1
                each = f"each_{self.made}"
                first = self.assigned(target, each)
                return self.block(f"for (const {each} of py.iter({self.expression(of)}))", body, first)
            case ast.While(test=test, body=body, orelse=[]):
                return self.block(f"while ({self.condition(test)})", body)
            case ast.If(test=test, body=body, orelse=orelse):
                lines = self.block(f"if ({self.condition(test)})", body)
                return lines + self.block("else", orelse) if orelse else lines
            case ast.Continue():
                return ["continue;"]
            case ast.Break():
                return ["break;"]
            case ast.Raise(exc=ast.Name(id=name)):
                return [f'throw new Error("{name}");']
            case ast.Raise(exc=ast.Call() as error):
                return [f"throw {self.expression(error)};"]
            case ast.Delete(
                targets=[ast.Subscript(value=value, slice=ast.Slice(lower=lower, upper=None, step=None))]
            ):
                return [f"{self.expression(value)}.splice({self.expression(lower) if lower else 0});"]
            case ast.With(items=[ast.withitem(context_expr=context, optional_vars=None)], body=body):
                self.made += 1
                manager = f"with_{self.made}"
                head = [f"const {manager} = {self.expression(context)};", f"{manager}.next();"]
                lines = [line for each in body for line in self.statement(each)]
                return ["{", *(f"  {line}" for line in (*head, *lines, f"{manager}.next();")), "}"]
        raise self.refused(node)

    def at_once(self, targets: list[ast.expr], values: list[ast.expr]) -> list[str]:
        """Several values to as many targets: all are known before one is assigned, and no list is made."""
        names = [f"value_{self.made + number}" for number, _ in enumerate(values, 1)]
        self.made += len(names)
        known = [f"const {name} = {self.expression(each)};" for name, each in zip(names, values, strict=True)]
        pairs = zip(targets, names, strict=True)
        return known + [line for each, name in pairs for line in self.assigned(each, name)]

    def assigned(self, target: ast.expr, value: str) -> list[str]:
        match target:
            case ast.Subscript(value=of, slice=index) if not isinstance(index, ast.Slice):
                return [f"py.put({self.expression(of)}, {self.expression(index)}, {value});"]
            case ast.Name() | ast.Attribute() | ast.Tuple():
                return self.unpacked(target, value)
        raise self.refused(target)


def _are_pairs(targets: list[ast.expr], values: list[ast.expr]) -> bool:
    return len(targets) == len(values) and not any(
        isinstance(each, ast.Starred) for each in (*targets, *values)
    )


def _loaded(target: ast.expr) -> ast.expr:
    """What is added to, as it is read."""
    return ast.copy_location(ast.parse(ast.unparse(target), mode="eval").body, target)


def _declared(node: ast.FunctionDef) -> list[str]:
    """The variables of a function: what it assigns, without those of comprehensions."""
    loops = [each for each in ast.walk(node) if isinstance(each, ast.comprehension)]
    inner = {name for each in loops for name in ast.walk(each.target)}
    stored = (
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store) and each not in inner
    )
    return list(dict.fromkeys(stored))


def _stored(node: ast.FunctionDef) -> set[str]:
    return set(_declared(node))
