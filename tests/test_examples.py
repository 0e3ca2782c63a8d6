"""The examples run, print the numbers that the lesson promises, and draw their pictures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
MOST_BYTES = 150_000

PICTURES = {
    "step1_levels_of_abstraction": {"step1_levels.svg"},
    "step2_linear_classification": {"step2_line.svg"},
    "step3_logistic_regression": {"step3_sign_and_sigmoid.svg", "step3_confidence.svg"},
    "step4_triangle": {
        "triangle_sides.svg",
        "triangle_cube.svg",
        "triangle_loss.svg",
        "triangle_boundary.svg",
        "triangle_graph.svg",
        "triangle_neurons.svg",
    },
    "step5_computation_graph": {"step5_one_neuron.svg", "step5_values.svg", "step5_operations.svg"},
    "step6_nonlinearity": {"step6_graphs.svg", "step6_boundaries.svg"},
    "step7_multilayer_perceptron": {
        "step7_before.svg",
        "step7_after.svg",
        "step7_hyperparameters.svg",
    },
    "step8_tensorflow_model": {"step8_operations.svg", "step8_values.svg", "step8_training.svg"},
    "engine_on_one_page": {"one_page.svg"},
    "breast_cancer": {"breast_cancer.svg"},
    "digits": {"digits.svg", "digits_neurons.svg"},
    "compile_training": {"compile_before.svg", "compile_after.svg"},
    "transformer": {"transformer.svg", "transformer_attention.svg"},
    "residual_mlp": {"residual.svg", "residual_without.svg", "residual_with.svg"},
    "recurrent": {"recurrent.svg", "recurrent_step.svg"},
    "twelve_models": {
        "scalar_perceptron.svg",
        "perceptron.svg",
        "lenet.svg",
        "lstm.svg",
        "gpt_block.svg",
        "vae.svg",
        "gan.svg",
        "siamese.svg",
        "unet.svg",
        "gaussian_process.svg",
        "ode_net.svg",
        "simulation.svg",
    },
    "same_network_elsewhere": set(),
    "scipy_minimize": set(),
    "check_custom_function": set(),
}

FOREIGN = {"same_network_elsewhere", "check_custom_function"}
"""What other frameworks say when they are imported is not ours to judge."""


class Run:
    """What an example printed, and where it drew."""

    def __init__(self, name: str, pictures: Path) -> None:
        self.pictures = pictures
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}
        strict = name not in FOREIGN
        warnings = ["-W", "error"] if strict else []
        finished = subprocess.run(
            [sys.executable, *warnings, str(EXAMPLES / f"{name}.py"), str(pictures)],
            capture_output=True,
            encoding="utf-8",
            env=environment,
            timeout=240,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        assert not (strict and finished.stderr), finished.stderr
        self.text = finished.stdout

    def number(self, before: str) -> float:
        """Return the first number after some words."""
        found = re.search(re.escape(before) + r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)", self.text)
        assert found, f"no number after {before!r} in:\n{self.text}"
        return float(found[1].rstrip("."))

    def line(self, start: str) -> str:
        """Return the line that starts with some words."""
        found = [x for x in self.text.splitlines() if x.strip().startswith(start)]
        assert found, f"no line {start!r} in:\n{self.text}"
        return found[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """Run an example once for all tests of this module."""
    runs: dict[str, Run] = {}

    def once(name: str) -> Run:
        if name not in runs:
            runs[name] = Run(name, tmp_path_factory.mktemp(name) / "pictures")
        return runs[name]

    return once


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_draws_into_a_folder_that_git_ignores(path):
    text = path.read_text(encoding="utf-8")
    assert "sys.argv[1]" not in text or 'Path(__file__).parent / "output"' in text
    assert "/examples/output/" in (EXAMPLES.parent / ".gitignore").read_text().splitlines()


def test_every_example_is_tested():
    assert set(SCRIPTS) == set(PICTURES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_example_draws_well_formed_pictures_of_modest_size(run, name):
    pictures = run(name).pictures
    drawn = {path.name for path in pictures.iterdir()} if pictures.exists() else set()
    assert drawn == PICTURES[name]
    for path in pictures.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("name", [name for name in SCRIPTS if PICTURES[name]])
def test_example_prints_the_names_of_its_pictures(run, name):
    for picture in PICTURES[name]:
        assert picture in run(name).text


def test_another_run_draws_the_same_bytes(run, tmp_path):
    first = run("step2_linear_classification").pictures
    Run("step2_linear_classification", tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (first / path.name).read_bytes()


@pytest.mark.parametrize("readme", ["README.md", "README.ru.md"])
def test_readme_shows_committed_pictures_and_names_every_script(readme):
    text = (EXAMPLES / readme).read_text(encoding="utf-8")
    shown = set(re.findall(r"pictures/[\w.]+\.svg", text))
    assert shown == {f"pictures/{name}" for names in PICTURES.values() for name in names}
    assert all((EXAMPLES / picture).is_file() for picture in shown)
    assert all(f"{name}.py" in text for name in SCRIPTS)


@pytest.mark.parametrize("readme", ["README.md", "README.ru.md"])
def test_readme_quotes_lines_that_the_examples_print(run, readme):
    text = (EXAMPLES / readme).read_text(encoding="utf-8")
    blocks = re.findall(r"^\$ python examples/(\w+)\.py\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 9
    for name, block in blocks:
        printed = {wording(line) for line in run(name).text.splitlines()}
        quoted = {wording(line) for line in block.splitlines()} - {""}
        assert quoted <= printed, f"{name} does not print {quoted - printed}"


def wording(line: str) -> str:
    """Return a line with # for its numbers, whose last digits depend on the machine."""
    return re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", " ".join(line.split())).rstrip(".,")


def run_without(module: str, name: str, pictures: Path) -> subprocess.CompletedProcess[str]:
    """Run an example where a module is not installed."""
    program = (
        f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(EXAMPLES / f"{name}.py"), str(pictures)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        timeout=240,
    )


NEEDS = [
    (module, name)
    for name in SCRIPTS
    for module in ("matplotlib", "sklearn", "scipy")
    if re.search(
        rf"^    (import|from) {module}\b", (EXAMPLES / f"{name}.py").read_text("utf-8"), re.M
    )
    and name != "step4_triangle"
]


@pytest.mark.parametrize(("module", "name"), NEEDS)
def test_an_example_without_what_it_needs_says_how_to_install_it(module, name, tmp_path):
    finished = run_without(module, name, tmp_path)
    assert finished.returncode == 1
    assert finished.stderr.strip() == 'this example needs: pip install -e ".[examples]"'


def test_triangle_runs_without_matplotlib(tmp_path):
    finished = run_without("matplotlib", "step4_triangle", tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert 'no plots: pip install -e ".[examples]"' in finished.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "triangle_graph.svg",
        "triangle_neurons.svg",
    }


def test_transformer_writes_numbers_backwards(run):
    assert run("transformer").number("right:") > 95


def test_shortcuts_let_the_gradient_through(run):
    result = run("residual_mlp")
    norms = [result.number(f"{name} shortcuts: the gradient of the first block has the norm")
             for name in ("without", "with")]  # fmt: skip
    assert norms[0] < 1e-4 < 1e-2 < norms[1]
    assert float(re.findall(r"with shortcuts: ([\d.]+)%", result.text)[-1]) > 90


def test_recurrent_network_hears_what_comes_next(run):
    result = run("recurrent")
    assert result.number("of 1000 new tones:") < 0.1 * result.number("repeating the last value:")


def test_levels_of_abstraction_have_the_same_losses(run):
    result = run("step1_levels_of_abstraction")
    assert result.number("over 400 epochs:") < 1e-9
    first, last = result.line("0 ").split()[1:], result.line("399 ").split()[1:]
    assert len(set(first)) == 1
    assert all(float(end) < 0.2 * float(start) for start, end in zip(first, last, strict=True))


def test_linear_classification_separates_its_points(run):
    assert "right: 100% of 80 points" in run("step2_linear_classification").text


def test_sign_has_no_gradient_and_sigmoid_has(run):
    result = run("step3_logistic_regression")
    assert result.line("0.0").split() == ["0.0", "0", "0.000", "0.500", "0.250"]
    assert "d sign_loss / dw = [0. 0. 0.]" in result.text
    assert result.text.count(": ok, ") == 2
    assert "w = [-0.5  0.5  0.5]" in result.line("sign_loss")
    assert float(result.line("log_loss").split("right:")[1].rstrip("%")) > 90


def test_triangle_is_solved_both_ways_and_its_gradients_are_right(run):
    result = run("step4_triangle")
    assert result.number("a single logistic regression:") < 75
    assert result.number("a fourth one on their predictions:") > 98
    assert result.number("the outputs differ by") < 1e-12
    assert float(result.line("loss").split(",")[1].split("%")[0]) > 98
    assert "ok, 13 entries checked" in result.text


def test_graph_says_what_each_value_is_needed_for(run):
    result = run("step5_computation_graph")
    assert result.line("x1").endswith("z1, z2, z3")
    assert result.line("z2").split()[-1] == "p"
    assert "Graph(22 operations, 2 inputs, 13 parameters, 1 output)" in result.text


def test_linear_network_collapses(run):
    result = run("step6_nonlinearity")
    assert result.number("largest difference over 240 points:") < 1e-14
    assert result.number("trained with a linear hidden layer:") < 75
    assert result.number("trained with a sigmoid hidden layer:") > 98


def test_perceptron_prints_its_table_and_more_neurons_fit_better(run):
    result = run("step7_multilayer_perceptron")
    assert "337" in result.text  # 2·16 + 16 + 16·16 + 16 + 16 + 1
    assert "tanh" in result.text
    small, large = (
        float(result.line(f"hidden {name} ").split("parameters,")[1].split("%")[0])
        for name in ("2", "16-16")
    )
    assert small < 95 < 99 < large


def test_tensorflows_first_program_gives_its_three_numbers(run):
    result = run("step8_tensorflow_model")
    assert result.line("the first gradient:").endswith(" 1.6")
    assert result.line("the weight after one step:").endswith(" 0.76")
    assert result.number("the output after 101 steps:") == 0.0045
    assert "(y, target) → " in result.text
    assert re.search(r"inputs  loss/subtract_\d+, 2\n", result.text)  # named, not its value


def test_breast_cancer_is_told_from_its_measurements(run):
    assert run("breast_cancer").number("test accuracy:") > 95


def test_digits_are_read(run):
    assert run("digits").number("test accuracy:") >= 96


def test_a_compiled_training_is_that_of_eager(run):
    result = run("compile_training")
    assert result.line("eager").split("loss")[1] == result.line("compiled  loss").split("loss")[1]
    assert result.number("the parameters differ by") < 1e-4
    assert result.number("compiled takes") > 0
    assert "def step(x, labels" in result.text
    program = Path(result.text.split("NumPy alone:")[1].split("\n")[0].strip())
    assert "def load(" in program.read_text("utf-8")
    shutil.rmtree(program.parent)


def test_other_frameworks_agree_where_they_are_installed(run):
    result = run("same_network_elsewhere")
    assert "autograd_mini" in result.text
    assert "DIFFERS" not in result.text
    assert result.text.count(": agrees") + result.text.count("is not installed here") == 5


def test_the_engine_on_one_page_agrees_with_the_library(run):
    assert run("engine_on_one_page").number("largest difference between 5 gradients:") < 1e-14


def test_scipy_gets_gradients_and_hessian_products(run):
    result = run("scipy_minimize")
    methods = [line for line in result.text.splitlines() if "lowest value" in line]
    values = [float(re.search(r"lowest value (\S+),", line)[1]) for line in methods]
    calls = [int(re.search(r"calls (\d+)", line)[1]) for line in methods]
    assert max(values[:3]) < 1e-8
    assert max(calls[1:3]) * 10 < calls[0]  # than with finite differences
    assert values[3] == pytest.approx(values[4], abs=1e-4)
    assert result.number("distance from (1, 1, …):") < 1e-4
    assert "our function is SciPy's: True" in result.text
    assert result.number("right:") > 97
    assert result.number("eigenvalues lie from") > 0


def test_a_hand_written_gradient_is_found_wrong_and_repaired(run):
    text = run("check_custom_function").text
    first, tested, real, shrunk, repaired = (
        text.split(heading)[1]
        for heading in ("first attempt", "with one row", "and with eight", "smallest", "the third")
    )
    assert "45 wrong" in first.split("\n\n")[0]
    assert ": ok, 15 entries checked" in tested.split("and with")[0]
    assert "5 wrong" in real.split("\n\n")[0]
    assert "gradcheck" in shrunk.split("the third")[0]
    assert ": ok, 50 entries checked" in repaired
    assert "order 2: ok" in repaired
    assert "LeakyReLU" in text or "PyTorch is not installed here" in text


def test_an_example_that_searches_says_what_it_needs(tmp_path):
    finished = run_without("hypothesis", "check_custom_function", tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert 'the search needs: pip install -e ".[checking]"' in finished.stdout
