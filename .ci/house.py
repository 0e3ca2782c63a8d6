"""Measure the structure of the package: sizes, names, borders and how far a call reaches.

    python .ci/house.py            print a table
    python .ci/house.py --json     the same as JSON, to compare two work trees

Run it in an environment in which this work tree is installed.
"""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("autograd_mini", "viz")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

NO_PARTICIPLE = (
    "shared seed embed bed feed need speed heed exceed proceed succeed indeed red bred hundred "
    "sacred"
)
IRREGULAR = (
    "written known given taken seen drawn shown grown held kept made said told sent built wound "
    "begun gone done been understood paid laid met led won hidden chosen broken spoken torn worn "
    "sworn born thrown overwritten rewritten undone redone"
)
"""Forms that are nothing but participles; `read`, `split` and `run` are commands too."""

CALLS = {
    "grad": "am.grad(lambda x: x * x)(3.0)",
    "backward": "y = x * x; y.backward()",
    "gradcheck": "am.gradcheck(lambda x: x * x, 3.0)",
    "compiled step": "step(points, target)",
    "render": "viz.render(x * x, picture)",
}
"""Five calls, each after everything is imported and a like call was made, but for the compiler."""

SETUP = """
import sys, tempfile, numpy as np, autograd_mini as am, viz, json
x = am.tensor(3.0, requires_grad=True)
points, target = np.ones((4, 2)), np.ones((4, 1))
model = am.nn.MLP([2, 3, 1]); optimizer = am.optim.SGD(model.parameters(), lr=0.1)
def one_step(points, target):
    loss = am.nn.mse(model(points), target); optimizer.zero_grad(); loss.backward()
    optimizer.step(); return loss
step = am.compile(one_step)
picture = tempfile.mkdtemp() + "/picture.svg"
if CALL.startswith("am.gradcheck"): am.gradcheck(lambda x: x * x, 2.0)
if CALL.startswith("viz"): viz.render(x + x, picture)
entered = set()
def note(frame, event, argument):
    if event == "call": entered.add(frame.f_code.co_filename)
sys.settrace(note)
exec(CALL)
if CALL.startswith("step"): exec(CALL)
sys.settrace(None)
homes = tuple(m.__path__[0] for m in (am, viz))
print(json.dumps(sorted(f for f in entered if f.startswith(homes))))
"""


def files() -> list[Path]:
    """List the modules of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# ── lines ────────────────────────────────────────────────────────────────────────────────────────
def count_lines(text: str, tree: ast.Module) -> Counter[str]:
    """Count lines by kind: docstring, comment, blank, code."""
    kinds: dict[int, str] = {}
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for item in body if isinstance(body, list) else []:
            text_alone = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
            if text_alone and isinstance(item.value.value, str):
                kinds |= dict.fromkeys(range(item.lineno, item.end_lineno + 1), "docstring")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#"):
            kinds[token.start[0]] = "comment"
    for number, line in enumerate(lines, 1):
        kinds.setdefault(number, "code" if line.strip() else "blank")
    return Counter(kinds.values())


# ── names ────────────────────────────────────────────────────────────────────────────────────────
def is_bare_participle(name: str) -> bool:
    """Whether a function's name is one past participle and nothing else."""
    word = name.strip("_")
    return bool(re.fullmatch("[a-z]+", word)) and (
        word in IRREGULAR.split() or (word.endswith("ed") and word not in NO_PARTICIPLE.split())
    )


def aliases_of_any(trees: dict[str, ast.Module]) -> set[str]:
    """Return the names that stand for Any."""
    found = {"Any"}
    for tree in trees.values():
        for node in tree.body:
            value = getattr(node, "value", None)
            if isinstance(node, ast.Assign) and isinstance(value, ast.Name) and value.id == "Any":
                found |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    return found


def count_any(tree: ast.Module, names: set[str]) -> int:
    """Count Any in the annotations of parameters and returns."""
    total = 0
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            every += [a for a in (arguments.vararg, arguments.kwarg) if a]
            for annotation in [*(a.annotation for a in every), node.returns]:
                inside = ast.walk(annotation) if annotation else ()
                total += sum(isinstance(x, ast.Name) and x.id in names for x in inside)
    return total


# ── imports ──────────────────────────────────────────────────────────────────────────────────────
def imports_of(name: str, path: Path, tree: ast.Module, known: set[str]) -> set[str]:
    """Return the modules that a module imports anywhere: in functions, for types, by a name."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")
            base = base[: len(base) - node.level + 1] if node.level else []
            whole = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            for alias in node.names:
                inside = f"{whole}.{alias.name}"
                found.add(inside if inside in known else whole)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            written = node.args[0]
            parts = written.values if isinstance(written, ast.JoinedStr) else [written]
            constants = (p.value if isinstance(p, ast.Constant) else name for p in parts)
            found.add("".join(map(str, constants)))
    return {m for m in found if m in known} - {name}


def largest_cycle(graph: dict[str, set[str]]) -> int:
    """Return the size of the largest set of modules that all reach each other; 0 for none."""
    order: list[str] = []
    seen: set[str] = set()
    for root in graph:
        stack = [(root, iter(graph[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            node, others = stack[-1]
            fresh = next((o for o in others if o not in seen), None)
            if fresh is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(fresh)
                stack.append((fresh, iter(graph[fresh])))
    back: dict[str, set[str]] = {name: set() for name in graph}
    for name, others in graph.items():
        for other in others:
            back[other].add(name)
    largest, done = 0, set()
    for root in reversed(order):
        group, stack_of_names = 0, [root]
        while stack_of_names:
            node = stack_of_names.pop()
            if node not in done:
                done.add(node)
                group += 1
                stack_of_names += back[node] - done
        largest = max(largest, group)
    return largest if largest > 1 else 0


def import_graph() -> dict[str, set[str]]:
    """Return which modules each module imports."""
    paths = {module_name(path): path for path in files()}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    return {n: imports_of(n, paths[n], trees[n], set(trees)) for n in trees}


def without_doors(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave the modules out that show a thing in a notebook: they import what imports them."""
    doors = {name for name in graph if name.endswith(".display")}
    return {name: others - doors for name, others in graph.items() if name not in doors}


# ── what runs ────────────────────────────────────────────────────────────────────────────────────
def run(program: str) -> str:
    """Run a program in a new interpreter, and return what it prints."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def loaded_by(name: str) -> list[str]:
    """Return the modules of the packages that an import loads."""
    program = f"import sys, json, {name}; print(json.dumps(sorted(sys.modules)))"
    return [m for m in json.loads(run(program)) if m.partition(".")[0] in PACKAGES]


def entered_by(call: str) -> int:
    """Count the files in which a call enters a function."""
    return len(json.loads(run(f"CALL = {call!r}\n{SETUP}")))


def measure() -> dict[str, float]:
    """Take all measures."""
    paths = {module_name(path): path for path in files()}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    functions = [n.name for t in trees.values() for n in ast.walk(t) if isinstance(n, FUNCTIONS)]
    functions = [n for n in functions if not (n.startswith("__") and n.endswith("__"))]
    classes = [n.name for t in trees.values() for n in ast.walk(t) if isinstance(n, ast.ClassDef)]
    names = [*functions, *classes]
    lines: Counter[str] = sum((count_lines(texts[n], trees[n]) for n in trees), Counter())
    graph = import_graph()
    importers = Counter(other for others in graph.values() for other in others)
    any_names = aliases_of_any(trees)
    viz_loads, core_loads = loaded_by("viz"), loaded_by("autograd_mini")
    found: dict[str, float] = {
        "files": len(trees),
        "lines": sum(lines.values()),
        **{f"lines: {kind}": lines[kind] for kind in ("code", "docstring", "comment", "blank")},
        "functions": len(functions),
        "% bare participles": round(
            100 * sum(map(is_bare_participle, functions)) / len(functions), 1
        ),
        "% private names": round(100 * sum(n.startswith("_") for n in names) / len(names), 1),
        "modules with one importer": sum(count == 1 for count in importers.values()),
        "Any in annotations": sum(count_any(tree, any_names) for tree in trees.values()),
        "largest cycle": largest_cycle(without_doors(graph)),
        "modules: import viz": len(viz_loads),
        "modules: import viz, beyond the engine": len(set(viz_loads) - set(core_loads)),
        "modules: import autograd_mini": len(core_loads),
    }
    return found | {f"files entered: {name}": entered_by(call) for name, call in CALLS.items()}


def main() -> None:
    """Print all measures."""
    found = measure()
    if "--json" in sys.argv:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:45s} {value:>9,}")


if __name__ == "__main__":
    main()
