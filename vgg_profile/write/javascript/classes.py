"""Classes of Python, in JavaScript: dataclasses, named tuples, enums, and plain ones."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vgg_profile.write.javascript.functions import Function
from vgg_profile.write.javascript.names import Linker, Parameters, parameters_of, safe


@dataclass
class Class:
    """A class that was reached, and its methods as far as they were asked for."""

    module: str
    node: ast.ClassDef
    name: str
    bases: tuple[str, ...]
    done: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_enum(self) -> bool:
        return any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in self.node.bases)

    @property
    def compares_by_identity(self) -> bool:
        return "eq=False" in " ".join(map(ast.unparse, self.node.decorator_list))

    @property
    def fields(self) -> list[tuple[str, ast.expr | None]]:
        """The annotated names with their defaults."""
        return [
            (each.target.id, each.value)
            for each in self.node.body
            if isinstance(each, ast.AnnAssign)
            and isinstance(each.target, ast.Name)
            and not ast.unparse(each.annotation).startswith("ClassVar")
        ]

    @property
    def own_init(self) -> ast.FunctionDef | None:
        for each in self.node.body:
            if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                return each
        return None

    def all_fields(self, link: Linker) -> list[tuple[str, str]]:
        """Those of the classes that it extends, too, each as a parameter of the constructor."""
        found = {name: text for base in self.bases for name, text in link.fields_of(base)}
        own = {
            name: safe(name) if default is None else f"{safe(name)} = {self._default(link, default)}"
            for name, default in self.fields
        }
        return list((found | own).items())

    def constructor(self, link: Linker) -> Parameters:
        if self.own_init is not None:
            return parameters_of(self.own_init, is_method=True)
        return tuple(name for name, _ in self.all_fields(link))

    def waiting(self, asked: Iterable[str]) -> list[ast.FunctionDef | ast.AnnAssign]:
        names = set(asked) - set(self.done)
        return [
            each
            for each in self.node.body
            if (isinstance(each, ast.FunctionDef) and each.name in names)
            or (
                isinstance(each, ast.AnnAssign)
                and isinstance(each.target, ast.Name)
                and each.value is not None
                and each.target.id in names
                and ast.unparse(each.annotation).startswith("ClassVar")
            )
        ]

    def take(self, link: Linker, member: ast.FunctionDef | ast.AnnAssign) -> None:
        """Translate a method, a property or a value of the class."""
        where = f"{self.module}.{self.name}"
        if isinstance(member, ast.AnnAssign):
            assert isinstance(member.target, ast.Name)
            assert member.value is not None
            name, text = member.target.id, Function(link, self.module, where).expression(member.value)
            self.done[name] = [f"get {name}() {{ return {text}; }}"]
            return
        decorators = {ast.unparse(each) for each in member.decorator_list}
        self.done[member.name] = []
        body = Function(link, self.module, f"{where}.{member.name}")
        head = f"get {member.name}" if decorators & {"property", "cached_property"} else member.name
        lines = body.function(member, head, is_method=True)
        if "cached_property" in decorators:
            kept = f"__{member.name}"
            lines = body.function(member, kept, is_method=True)
            lines += [
                f"get {member.name}() {{",
                f"  const value = this.{kept}();",
                f'  Object.defineProperty(this, "{member.name}", {{ value }});',
                "  return value;",
                "}",
            ]
        self.done[member.name] = lines

    def text(self, link: Linker) -> Iterator[str]:
        where = f"{self.module}.{self.name}"
        if self.is_enum:
            members = [
                (each.targets[0].id, Function(link, self.module, where).expression(each.value))
                for each in self.node.body
                if isinstance(each, ast.Assign)
                and isinstance(each.targets[0], ast.Name)
                and not each.targets[0].id.startswith("__")
            ]
            held = ", ".join(f"{name}: {value}" for name, value in members)
            yield f"const {self.name} = {{ {held}, *[Symbol.iterator]() {{ yield* Object.values(this); }} }};"
            return
        extends = f" extends {self.bases[0]}" if self.bases else ""
        yield f"class {self.name}{extends} {{"
        if self.own_init is not None:
            body = Function(link, self.module, f"{where}.__init__")
            yield from (f"  {line}" for line in body.function(self.own_init, "constructor", is_method=True))
        elif fields := self.all_fields(link):
            names = [name for name, _ in fields]
            yield f"  static fields = {json.dumps(names)};"
            yield from ["  static isIdentity = true;"] * self.compares_by_identity
            made = " super();" if self.bases else ""
            assigned = " ".join(f"this.{name} = {safe(name)};" for name in names)
            yield f"  constructor({', '.join(text for _, text in fields)}) {{{made} {assigned} }}"
        for lines in self.done.values():
            yield from (f"  {line}" for line in lines)
        yield "}"

    def _default(self, link: Linker, node: ast.expr) -> str:
        body = Function(link, self.module, f"{self.module}.{self.name}")
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "field":
            for keyword in node.keywords:
                if keyword.arg == "default":
                    return body.expression(keyword.value)
                if keyword.arg == "default_factory":
                    return body.expression(ast.Call(keyword.value, [], [], lineno=node.lineno))
        return body.expression(node)
