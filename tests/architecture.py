"""Read the packages' source and find what breaks the rules of the house: imports, names, lengths of files."""

from __future__ import annotations

import ast
import graphlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_LINES = 400

# Each package, and the packages of ours that it may import. The tests are imported by nobody.
PACKAGES = {"spaceworld": (), "credit_wrappers": (), "tianshou_examples": ("spaceworld", "credit_wrappers")}
BANNED = {"spaceworld": ("torch", "tianshou"), "credit_wrappers": (), "tianshou_examples": ()}

# The rooms (folders, or files at a package's root) from bottom to top. A room imports rooms of earlier lines, and of
# its own line. `__init__` may import every room, and `__main__` that too.
ORDER = {
    "credit_wrappers": (
        ("core",),
        ("recording",),
        ("narration",),
        ("llm",),
        ("scripted",),
        ("critics",),
        ("exact",),
        ("student",),
        ("delivery",),
        ("bench",),
        ("distillation",),
        ("dataset",),
        ("report",),
        ("adapters", "cli"),  # see `DOORS`
        ("wrappers",),
        ("integrations",),
        ("testing",),  # see `DOORS`
    ),
    "spaceworld": (
        ("scenario", "presets"),
        ("rules",),
        ("thread_pool",),
        ("observations",),
        ("text",),
        ("render",),
        ("batch", "env", "vector", "spaceworld_v0", "registry", "cost_wrapper"),
        ("planner",),
        ("app",),
    ),
    "tianshou_examples": (
        ("experiment",),
        ("comparison",),
        (
            "benchmarl_baselines",
            "cleanrl_ippo",
            "cleanrl_spaceworld",
            "evaluate",
            "mca",
            "offline",
            "scale",
            "sight",
            "study",
            "train",
        ),
    ),
}
DOORS = {  # for people and programs: no other room imports them
    "credit_wrappers": ("adapters", "testing", "cli"),
    "tianshou_examples": ORDER["tianshou_examples"][-1],  # a reader of a script needs no other script
}

# Strings that name a module of ours, each with its reason.
NAMED_IN_STRINGS = {
    "spaceworld.spaceworld_v0:parallel_env": "PettingZoo's registry takes an entry point",
    "spaceworld.spaceworld_v0:env": "PettingZoo's registry takes an entry point",
    "credit_wrappers.critics": "the name of the group of entry points by which other packages register critics",
}
IMPORTING = ("import_module", "__import__", "resolve_name", "find_spec", "run_module")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*)?")
SECTION = re.compile(r"\n( *)(Args|Attributes|Raises):\n((?:\1 +.*\n?|\n)+)")


@dataclass(frozen=True)
class Module:
    """A Python file of a package."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """Return the top-level package that it belongs to."""
        return self.name.partition(".")[0]

    @property
    def room(self) -> str:
        """Return its folder or file directly below the package; "" for the package's `__init__`."""
        return [*self.name.split("."), ""][1]


House = dict[str, Module]


def read_house(root: Path) -> House:
    """Return all modules of the packages below a folder, by name."""
    house = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            house[name] = Module(name, path, text, ast.parse(text))
    return house


def imported(module: Module, house: House) -> set[str]:
    """Return the names of what a module imports anywhere: ours in full, of others the top-level package."""
    found = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {_known(alias.name, house) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                depth = node.level - (module.path.name == "__init__.py")
                parts = module.name.split(".")
                base = ".".join([*parts[: len(parts) - depth], *([base] if base else [])])
            found |= {_known(f"{base}.{alias.name}", house) for alias in node.names}
    return found - {module.name}


def _known(name: str, house: House) -> str:
    """Return the longest beginning of a dotted name that is a module of ours, or else its first part."""
    parts = name.split(".")
    beginnings = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((beginning for beginning in beginnings if beginning in house), parts[0])


def circle(house: House) -> list[str]:
    """Return the modules of one import circle, in its order; nothing when there is none."""
    graph = {name: imported(module, house) & house.keys() for name, module in house.items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def imports_upward(house: House) -> Iterator[str]:
    """Yield every import that the order of packages and of rooms does not allow."""
    for module in house.values():
        for name in sorted(imported(module, house)):
            package = name.partition(".")[0]
            if package == module.package:
                fault = _fault_inside(module, house[name])
            else:
                ours = package in PACKAGES or package == "tests"
                forbidden = (ours and package not in PACKAGES[module.package]) or package in BANNED[module.package]
                fault = f"{module.package} may not import {package}" if forbidden else ""
            if fault:
                yield f"{module.name} imports {name}: {fault}"


def _fault_inside(module: Module, target: Module) -> str:
    if module.room in ("", "__main__"):
        return ""
    if target.room in ("", "__main__"):
        return "the package's own root is above every room"
    if module.room == target.room:
        return ""
    for room in (module.room, target.room):
        if _rank(module.package, room) is None:
            return f"{room!r} has no place yet in ORDER"
    if target.room in DOORS.get(module.package, ()):
        return f"no other room may import {target.room}"
    own, other = (_rank(module.package, room) or 0 for room in (module.room, target.room))
    return f"{target.room} is above {module.room}" if other > own else ""


def _rank(package: str, room: str) -> int | None:
    return next((rank for rank, rooms in enumerate(ORDER[package]) if room in rooms), None)


def rooms_without_a_place(house: House) -> set[str]:
    """Return the rooms that ORDER does not know."""
    return {
        f"{module.package}.{module.room}"
        for module in house.values()
        if module.room not in ("", "__main__") and _rank(module.package, module.room) is None
    }


def named_in_strings(house: House) -> Iterator[tuple[str, str]]:
    """Yield (module, string) where a string outside of docstrings names a module of ours, to be imported by it."""
    for module in house.values():
        docstrings = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                dotted = node.value.partition(":")[0]
                if DOTTED.fullmatch(node.value) and "." in _known(dotted, house):
                    yield module.name, node.value
            elif isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                beginning = _beginning(node.args[0]) if called in IMPORTING and node.args else ""
                if re.split(r"[.:]", beginning)[0] in PACKAGES or beginning.startswith("."):
                    yield module.name, beginning


def _beginning(node: ast.expr) -> str:
    """Return the text that a constant, a sum or an f-string begins with."""
    while isinstance(node, ast.BinOp | ast.JoinedStr):
        node = node.left if isinstance(node, ast.BinOp) else node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def names_twice(house: House) -> Iterator[str]:
    """Yield public classes and files whose name occurs twice in one package."""
    places = defaultdict(list)
    for module in house.values():
        if module.path.stem not in ("__init__", "__main__"):
            places[module.package, "file", module.path.name].append(module.name)
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[module.package, "class", node.name].append(module.name)
    for (package, kind, name), modules in places.items():
        if len(modules) > 1:
            yield f"{package}: {kind} {name} in {', '.join(modules)}"


def long_files(root: Path) -> Iterator[str]:
    """Yield the Python files that are too long, the tests' too."""
    for folder in (*PACKAGES, "tests", "docs"):
        for path in sorted((root / folder).rglob("*.py")):
            count = len(path.read_text(encoding="utf-8").splitlines())
            if count > MOST_LINES:
                yield f"{path.relative_to(root)}: {count} lines"


def files_at_the_root(root: Path) -> set[str]:
    """Return what lies at the root of `credit_wrappers` beside rooms and the three files that belong there."""
    allowed = {"__init__.py", "__main__.py", "py.typed"}
    return {path.name for path in (root / "credit_wrappers").iterdir() if path.is_file()} - allowed


def small_descriptions(house: House) -> Iterator[str]:
    """Yield entries of a docstring's `Args`, `Attributes` and `Raises` that begin with a small letter."""
    for module in house.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for _, section, body in SECTION.findall((ast.get_docstring(node) or "") + "\n"):
                    indent = min(len(line) - len(line.lstrip()) for line in body.splitlines() if line.strip())
                    for name, text in re.findall(rf"^ {{{indent}}}(?! )([\w*, ./]+?)(?: \([^)]*\))?: (.*)", body, re.M):
                        if text[:1].islower():
                            yield f"{module.name}.{getattr(node, 'name', '')}: {section}: {name}: {text}"


def texts_of_the_locale(house: House) -> Iterator[str]:
    """Yield calls that read or write a text file without saying in which encoding, so in the locale's."""
    for module in house.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            modes = [a.value for a in node.args if isinstance(a, ast.Constant) and set(str(a.value)) <= set("rwxabt+")]
            mode = "".join(modes) or ("r" if isinstance(node.func, ast.Name) else "")  # `store.open()` opens no file
            if called in ("read_text", "write_text") or (called == "open" and mode and "b" not in mode):
                yield f"{module.name}, line {node.lineno}: {called}"
