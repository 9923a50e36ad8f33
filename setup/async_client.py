"""Make the asyncio client from the plain one: `python setup/async_client.py`.

What talks to the studio is awaited, what yields from it becomes an asynchronous generator; nothing else changes, so that
every request is written once, in mooring/client.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAIN = ROOT / "mooring" / "client"
MADE = PLAIN / "aio"
# Written by hand in aio/; imported from there by what is made.
BY_HAND = ("transport", "content", "download")
HEAD = '"""Made by setup/async_client.py from mooring/client/{name}.py: change that one."""\n\n'
# What is awaited, by what it is called on.
AWAITED = {
    "self._transport": {"json", "send"},
    "self.transport": {"json", "send", "close"},
    "transport": {"json", "send"},
    "self._scope": {"path", "name"},
    "self._content": {"upload", "upload_code", "upload_input"},
    "download": {"fetch_all", "fetch_to"},
    "retries": {"wait"},
    "time": {"sleep"},
}
ITERATED = {"listed"}
BIT_BY_BIT = {"iter_raw", "iter_bytes"}


def modules() -> list[str]:
    """Return the modules that have parts of a client, in a steady order."""
    names = (path.stem for path in PLAIN.glob("*.py"))
    return [*sorted(name for name in names if name not in (*BY_HAND, "__init__", "models", "sign_in", "stamps")), "client"]


def made(name: str) -> str:
    """Return a module of the asyncio client."""
    source = "__init__" if name == "client" else name
    tree = ast.parse((PLAIN / f"{source}.py").read_text(encoding="utf-8"))
    if ast.get_docstring(tree):
        tree.body = tree.body[1:]
    tree.body = [node for node in tree.body if not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")]
    for inside in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        _change(inside)
    _Imports().visit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
    if name == "client":
        text = (
            text.replace("class Client:", "class AsyncClient:")
            .replace("def __enter__", "async def __aenter__")
            .replace("__exit__", "__aexit__")
        )
    return _tidied(name, HEAD.format(name=source) + text)


def _tidied(name: str, text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    options = ["--config", str(ROOT / "pyproject.toml"), "--stdin-filename", str(MADE / f"{name}.py"), "-"]
    for step in (["check", "--fix-only", "-q", "--select", "I,F401"], ["format", "-q"]):
        text = subprocess.run([*ruff, *step, *options], input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def _change(inside: ast.Module | ast.ClassDef) -> None:
    """Make the functions asynchronous that need to be, and those that call them, until no more are found."""
    functions = {node.name: node for node in inside.body if isinstance(node, ast.FunctionDef)}
    waits: set[str] = set()
    yields: set[str] = set()
    while True:
        before = len(waits) + len(yields)
        for name, node in functions.items():
            if name in waits | yields or not _Talks(waits, yields).found_in(node):
                continue
            (yields if any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node)) else waits).add(name)
        if len(waits) + len(yields) == before:
            break
    for index, node in enumerate(inside.body):
        if isinstance(node, ast.FunctionDef) and node.name in waits | yields:
            _Rewrite(waits, yields).generic_visit(node)
            fields = {name: getattr(node, name, None) for name in node._fields}
            inside.body[index] = ast.copy_location(ast.AsyncFunctionDef(**fields), node)


class _Talks(ast.NodeVisitor):
    """Whether something talks to the studio, or calls what does."""

    def __init__(self, waits: set[str], yields: set[str]) -> None:
        self.waits, self.yields, self.found = waits, yields, False

    def found_in(self, node: ast.AST) -> bool:
        self.visit(node)
        return self.found

    def visit_Call(self, node: ast.Call) -> None:
        self.found |= _is_awaited(node, self.waits) or _is_iterated(node, self.yields) or _opens(node)
        self.generic_visit(node)


class _Rewrite(ast.NodeTransformer):
    """Await what is awaited, iterate asynchronously over what comes bit by bit."""

    def __init__(self, waits: set[str], yields: set[str]) -> None:
        self.waits, self.yields = waits, yields

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr in BIT_BY_BIT:
            node.func.attr = f"a{node.func.attr}"
        if _is_awaited(node, self.waits):
            return ast.Await(node)
        # A list of what comes bit by bit.
        if isinstance(node.func, ast.Name) and node.func.id == "list" and node.args and self._comes(node.args[0]):
            one = ast.Name("one")
            return ast.ListComp(one, [ast.comprehension(one, node.args[0], [], 1)])
        return node

    def visit_List(self, node: ast.List) -> ast.AST:
        self.generic_visit(node)
        match node.elts:
            case [ast.Starred(value=value)] if self._comes(value):
                return ast.ListComp(ast.Name("one"), [ast.comprehension(ast.Name("one"), value, [], 1)])
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.is_async = int(self._comes(node.iter))
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        self.generic_visit(node)
        return ast.AsyncFor(**{name: getattr(node, name, None) for name in node._fields}) if self._comes(node.iter) else node

    def visit_With(self, node: ast.With) -> ast.AST:
        self.generic_visit(node)
        asynchronous = any(isinstance(one.context_expr, ast.Call) and _opens(one.context_expr) for one in node.items)
        return ast.AsyncWith(node.items, node.body) if asynchronous else node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.YieldFrom):
            one = ast.Name("one")
            whole = node.value.value
            body: list[ast.stmt] = [ast.Expr(ast.Yield(one))]
            return ast.AsyncFor(one, whole, body, []) if self._comes(whole) else ast.For(one, whole, body, [])
        return node

    def _comes(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        raw = isinstance(node.func, ast.Attribute) and node.func.attr.removeprefix("a") in BIT_BY_BIT
        return raw or _is_iterated(node, self.yields)


class _Imports(ast.NodeTransformer):
    """Take from the asyncio client what it has of its own, and name types as it has them."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        own = {*BY_HAND, *modules()}
        if node.module == "mooring.client" and {one.name for one in node.names} <= own:
            node.module = "mooring.client.aio"
        elif node.module and node.module.startswith("mooring.client.") and node.module.rpartition(".")[2] in own:
            node.module = node.module.replace("mooring.client.", "mooring.client.aio.")
        elif node.module == "collections.abc":
            for one in node.names:
                one.name = {"Iterator": "AsyncIterator"}.get(one.name, one.name)
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.AST]:
        more = [ast.Import([ast.alias("asyncio")])] if any(one.name == "time" for one in node.names) else []
        return [*more, node]

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = {"Iterator": "AsyncIterator"}.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr == "sleep" and isinstance(node.value, ast.Name) and node.value.id == "time":
            node.value.id = "asyncio"
        return node


def _is_awaited(node: ast.Call, waits: set[str]) -> bool:
    if not isinstance(node.func, ast.Attribute):
        return False
    on = ast.unparse(node.func.value)
    return node.func.attr in AWAITED.get(on, ()) or (on == "self" and node.func.attr in waits)


def _is_iterated(node: ast.Call, yields: set[str]) -> bool:
    if isinstance(node.func, ast.Name):
        return node.func.id in ITERATED
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "self" and node.func.attr in yields


def _opens(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "self._transport.stream"


def main() -> None:
    """Write the modules that are made."""
    for name in modules():
        (MADE / f"{name}.py").write_text(made(name), encoding="utf-8")


if __name__ == "__main__":
    main()
