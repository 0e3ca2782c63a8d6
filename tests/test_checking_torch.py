"""Functions of PyTorch are checked like ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import POINT, imported, kinds, look

import autograd_mini as am
from autograd_mini.checking.adapters import with_parameters
from autograd_mini.errors import GradcheckError

pytestmark = pytest.mark.filterwarnings("ignore")  # what frameworks say of themselves


@pytest.fixture
def torch() -> Any:
    return imported("torch")


def doubling(torch: Any, rule: Any, twice: Any = lambda x: 2 * x) -> Any:
    """Return an autograd function with this backward rule, of the cotangent and the input."""

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return twice(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return rule(g, *ctx.saved_tensors)

    return Doubled


@pytest.fixture
def x(torch: Any) -> Any:
    return torch.tensor(POINT)


def test_right_functions_of_pytorch_pass(torch: Any, x: Any) -> None:
    assert look(torch.nn.functional.gelu, x, order=2).ok
    assert look(lambda a, b: (a @ b.T, a.sum()), x, 2 * x).ok
    assert look(doubling(torch, lambda g, x: 2 * g), x, order=2).ok


def test_wrong_sign_of_a_backward_is_named(torch: Any, x: Any) -> None:
    report = look(doubling(torch, lambda g, x: -2 * g), x)
    assert report.count("wrong") == 6 and "sign" in kinds(report)
    assert report.parts[0].name == "x"
    with pytest.raises(GradcheckError, match="Doubled"):
        am.gradcheck(doubling(torch, lambda g, x: -2 * g), x)


def test_backward_that_lost_a_branch_is_wrong_there(torch: Any, x: Any) -> None:
    leaky = doubling(
        torch, lambda g, x: torch.where(x > 0, g, 0.0), lambda x: torch.where(x > 0, x, 0.1 * x)
    )
    report = look(leaky, x)
    np.testing.assert_array_equal(report.parts[0].is_("wrong"), POINT < 0)


def test_missing_gradient_counts_as_zero(torch: Any, x: Any) -> None:
    report = look(doubling(torch, lambda g, x: None), x)
    assert report.count("wrong") == 6 and "zero" in kinds(report)
    assert look(lambda a, b: a * 2, x, x).ok
    assert look(lambda a: (a * 2).detach(), x).count("wrong") == 6


def test_backward_that_writes_into_the_cotangent_is_found(torch: Any, x: Any) -> None:
    assert kinds(look(doubling(torch, lambda g, x: g.mul_(2)), x)) == ["mutation"]


def test_backward_that_needs_contiguous_memory_is_found(torch: Any, x: Any) -> None:
    report = look(doubling(torch, lambda g, x: 2 * g.view(-1).view(g.shape)), x)
    assert not report.ok and report.count("wrong") == 0
    assert "not contiguous" in str(report)


def test_backward_that_raises_is_a_problem(torch: Any, x: Any) -> None:
    report = look(doubling(torch, lambda g, x: g[:, :2]), x)
    assert kinds(report) == ["shape"] and "PyTorch raises RuntimeError" in str(report)


def test_function_that_writes_into_a_tensor_is_found(torch: Any, x: Any) -> None:
    for value in (x, torch.tensor(2.0)):
        assert kinds(look(lambda a: a.mul_(2), value)) == ["mutation"]


def test_tensors_of_the_caller_are_left_alone(torch: Any) -> None:
    given = torch.tensor(POINT, dtype=torch.float32, requires_grad=True)
    look(lambda a: a.mul_(2), given)
    assert look(lambda a: a * a, given).ok
    assert given.grad is None
    np.testing.assert_array_equal(given.detach().numpy(), POINT.astype(np.float32))


def test_wrong_second_derivative_is_told_from_the_first(torch: Any, x: Any) -> None:
    wrong = doubling(torch, lambda g, x: 3 * g * (x * x).detach(), lambda x: x**3)
    assert look(wrong, x).ok
    assert "second order" in kinds(look(wrong, x, order=2))


def test_complex_gradients_of_pytorch_follow_our_convention(torch: Any) -> None:
    z = torch.tensor([1 + 2j, 0.5 - 1j])
    for f in (lambda z: z**2 * z.conj(), lambda z: z.abs() ** 2, lambda z: z.real * 1j):
        assert look(f, z, order=2).ok
    conjugated = doubling(torch, lambda g, z: 2 * g * z, lambda z: z * z)
    assert not look(conjugated, z).ok


def test_nested_inputs_and_outputs_of_pytorch(torch: Any) -> None:
    p = {"w": torch.ones(2, 2), "b": [torch.tensor([0.5, 2.0])], "k": torch.tensor([1, 0])}

    def f(p: Any) -> Any:
        return {"a": p["w"][p["k"]] @ p["b"][0], "n": (p["w"].sum(), p["k"] + 1, 2)}

    report = look(f, p, order=2)
    assert report.ok and "p['w']" in [part.name for part in look(f, p).parts]


def test_numbers_beside_tensors_are_options(torch: Any, x: Any) -> None:
    report = look(torch.nn.functional.leaky_relu, x, 0.1)
    assert report.ok and len(report.parts) == 1
    assert look(torch.sin, 2.0).ok
    assert len(look(lambda a, s: a * s, x, 2.0, argnums=(0, 1)).parts) == 2


def test_empty_and_scalar_tensors_pass(torch: Any) -> None:
    assert look(lambda a, b: a.sum() * b, torch.ones(0, 3), torch.tensor(2.0), order=2).ok


def test_modules_are_checked_as_copies_in_double_precision(torch: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
    report = look(module, torch.tensor(POINT, dtype=torch.float32))
    assert report.ok and report.rtol == 1e-6 and report.parts[-1].name == "input"
    assert module[0].weight.dtype == torch.float32


def test_functions_that_hold_float32_are_checked_in_float32(torch: Any) -> None:
    weight = torch.tensor([[0.5, 2.0, -1.0]])
    given = torch.tensor(POINT, dtype=torch.float32)
    report = look(lambda a: torch.tanh(a @ weight.T), given)
    assert report.ok and report.rtol > 1e-6
    wrong = doubling(torch, lambda g, x: 2.1 * g)
    assert not look(lambda a: wrong.apply(a) @ weight.T, given).ok


def test_parameters_of_a_module_are_checked_beside_its_inputs(torch: Any) -> None:
    f, parameters = with_parameters(torch.nn.Linear(3, 2))
    report = look(f, parameters, torch.tensor(POINT))
    assert report.ok
    names = sorted(part.name for part in report.parts)
    assert names == ["input", "parameters['bias']", "parameters['weight']"]


def test_functions_that_differentiate_inside_are_recorded(torch: Any, x: Any) -> None:
    def slope(a: Any) -> Any:
        return torch.autograd.grad((a**3).sum(), a, create_graph=True)[0]

    assert look(slope, x, order=2).ok


def test_forward_rule_that_disagrees_is_found(torch: Any, x: Any) -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return 3 * t

    assert kinds(look(Doubled, x)) == ["forward mode"]


def test_forward_rule_that_raises_is_found(torch: Any, x: Any) -> None:
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return ctx.kept * t

    report = look(Doubled, x)
    assert kinds(report) == ["forward mode"]
    assert "raises AttributeError" in str(report)


def test_short_floats_of_a_result_widen_the_bars(torch: Any, x: Any) -> None:
    assert look(lambda a: (a.bfloat16() * 3).sum(), x).rtol > 0.1


def test_hand_written_rules_get_tensors(torch: Any, x: Any) -> None:
    assert look(torch.sin, x, vjp=lambda g, x: (g * torch.cos(x),)).ok
    assert look(lambda a: (a * a).sum(), x, grad=lambda a: 2 * a).ok
    assert look(torch.sin, x, vjp=lambda g, x: (-g * torch.cos(x),)).count("wrong") == 6


def test_arrays_become_tensors_of_a_named_framework(torch: Any) -> None:
    def taken(a: Any, i: Any) -> Any:
        assert isinstance(a, torch.Tensor) and isinstance(i, torch.Tensor)
        return a[i]

    assert look(taken, np.ones(3), np.array([0, 0, 2]), framework="torch").ok


def test_entries_are_moved_many_at_once_where_a_function_can_be_batched(torch: Any) -> None:
    shapes: list[tuple[int, ...]] = []

    def f(a: Any, rows: Any) -> Any:
        shapes.append(tuple(a.shape))
        return torch.sin(a)[rows].sum(dim=0), (a * a).sum()

    a = torch.linspace(-2, 2, 120, dtype=torch.float64).reshape(30, 4)
    assert look(f, a, torch.tensor([0, 0, 3]), coverage="full").ok
    assert len(shapes) < 60  # and not twice an entry


def test_functions_that_cannot_be_batched_are_called_one_by_one(torch: Any) -> None:
    a = torch.linspace(-2, 2, 30, dtype=torch.float64)
    assert look(lambda a: a * 2 if a[0].item() < 0 else a, a).ok
    report = look(doubling(torch, lambda g, x: -2 * g), a)
    assert report.count("wrong") == 30 and "sign" in kinds(report)


def test_module_is_checked_with_its_parameters(torch: Any) -> None:
    module = torch.nn.Linear(3, 2)
    report = look(module, torch.tensor(POINT, dtype=torch.float32))
    names = ["parameters['bias']", "parameters['weight']", "input"]
    assert report.ok and [p.name for p in report.parts] == names
    alone = look(module, torch.tensor(POINT, dtype=torch.float32), argnums=())
    assert [p.name for p in alone.parts] == names[:2]
    embedding = look(torch.nn.Embedding(4, 2), torch.tensor([1, 3, 1]))
    assert embedding.ok and embedding.checked == 8


def test_wrong_gradient_of_a_module_s_parameter_is_found(torch: Any) -> None:
    negative = doubling(torch, lambda g, x: -2 * g)

    class Spoiled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([0.5, 2.0, 1.0]))

        def forward(self, x: Any) -> Any:
            return x * negative.apply(self.weight)

    report = look(Spoiled(), torch.tensor(POINT))
    assert report.causes[0].input == "parameters['weight']" and "sign" in kinds(report)


def test_running_statistics_of_a_module_stay(torch: Any) -> None:
    norm = torch.nn.BatchNorm1d(3)
    x = torch.tensor(POINT, dtype=torch.float32)
    for options in ({}, {"keep_dtype": True}):
        look(norm, x, **options)
        assert norm.running_mean.tolist() == [0, 0, 0] and norm.num_batches_tracked == 0
    assert look(norm, torch.randn(8, 3, generator=torch.Generator().manual_seed(0))).ok
    assert look(torch.nn.BatchNorm1d(3).eval(), x).ok


def test_dropout_in_training_mode_names_eval(torch: Any, x: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5))
    report = look(module, x)
    assert kinds(report) == ["not deterministic"] and "module.eval()" in str(report)
    assert look(module.eval(), x).ok


def test_pair_of_loss_and_gradient_names_jac(torch: Any, x: Any) -> None:
    with pytest.raises(am.errors.ArgumentError, match="jac=True"):
        am.gradcheck(lambda a: ((a**2).sum(), 2 * a), x)
    assert look(lambda a: ((a**2).sum(), 2 * a), x, jac=True).ok
    assert look(lambda a: ((a**2).sum(), 2 * a), x, jac=False).ok


def two_results(torch: Any, rule: Any) -> Any:
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(x)
            return x**2, 3 * x

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return rule(g, h, *ctx.saved_tensors)

    return Two


def test_undefined_gradients_of_results_are_tried(torch: Any, x: Any) -> None:
    def careful(g: Any, h: Any, x: Any) -> Any:
        found = 0 * x
        found = found if g is None else found + 2 * g * x
        return found if h is None else found + 3 * h

    assert look(two_results(torch, careful), x).ok
    careless = look(two_results(torch, lambda g, h, x: 2 * g * x + 3 * h), x)
    assert kinds(careless) == ["cotangent"] and "with None for those of the others" in str(careless)

    def forgetful(g: Any, h: Any, x: Any) -> Any:
        return None if g is None or h is None else careful(g, h, x)

    assert "differs from the sum" in str(look(two_results(torch, forgetful), x))


@pytest.mark.parametrize("convolution", [False, True])
def test_a_bias_before_batch_norm_is_zero_but_for_rounding(torch: Any, convolution: bool) -> None:
    """Its gradient is rounding: another layout of the cotangent gives another one."""
    generator = torch.Generator().manual_seed(0)
    if convolution:
        layers = torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3)
        x = torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=generator)
    else:
        layers = torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)
        x = torch.randn(6, 3, dtype=torch.float64, generator=generator)
    assert am.gradcheck(torch.nn.Sequential(*layers), x).ok
