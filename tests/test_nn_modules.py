"""Modules: what they own, how it is called, modes, freezing, copies, the table."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import MLP, Dense, Dropout, Module, Sequential


class Net(Module):
    """A user's model: no super().__init__(), tensors and layers in nested containers."""

    def __init__(self):
        self.rate = 0.5
        self.encoder = MLP([2, 4, 3], seed=0)
        self.blocks = {"left": Dense(3, 3, seed=1), "right": [Dropout(0.0), Dense(3, 1, seed=2)]}
        self.scale = am.tensor(2.0, requires_grad=True)
        self.offset = am.tensor([1.0, 2.0])

    def forward(self, x):
        z = self.blocks["left"](self.encoder(x - self.offset))
        for block in self.blocks["right"]:
            z = block(z)
        return z * self.scale


def paths(model):
    return [path for path, _ in model.named_parameters()]


def test_parameters_are_found_in_attributes_and_nested_containers():
    assert paths(Net()) == [
        "scale",
        "encoder.layers.0.weight",
        "encoder.layers.0.bias",
        "encoder.layers.1.weight",
        "encoder.layers.1.bias",
        "blocks.left.weight",
        "blocks.left.bias",
        "blocks.right.1.weight",
        "blocks.right.1.bias",
    ]


def test_a_path_is_how_python_reaches_the_tensor():
    net = Net()
    assert dict(net.named_parameters())["encoder.layers.1.bias"] is net.encoder.layers[1].bias


def test_a_leaf_without_gradient_is_a_buffer_and_no_parameter():
    names = [path for path, _ in Net().named_tensors()]
    assert "offset" in names and "offset" not in paths(Net())


def test_the_result_of_an_operation_is_neither():
    net = Net()
    net.seen = net.scale * 2
    assert "seen" not in [path for path, _ in net.named_tensors()]


def test_shared_parameters_and_modules_count_once():
    class Tied(Module):
        def __init__(self):
            self.a = Dense(3, 3)
            self.b = self.a
            self.again = self.a.weight
            self.c = [self.a, Dense(3, 3)]
            self.c[1].weight = self.a.weight

    assert paths(Tied()) == ["again", "a.bias", "c.1.bias"]


def test_a_module_that_holds_itself_ends():
    net = Net()
    net.parent = net
    net.loop = [1]
    net.loop.append(net.loop)
    assert len(list(net.modules())) == 7


def test_thousand_nested_modules_need_no_recursion():
    class Shell(Module):
        def __init__(self, inner):
            self.inner = inner

    model = Dense(1, 1)
    for _ in range(3000):
        model = Shell(model)
    assert len(list(model.parameters())) == 2


def test_a_set_of_parameters_is_refused():
    net = Net()
    net.extra = {am.tensor(1.0, requires_grad=True)}
    with pytest.raises(am.UnsupportedError, match="extra is a set"):
        list(net.parameters())


def test_two_tensors_with_the_same_path_are_an_error():
    net = Net()
    net.table = {1: am.tensor(1.0), "1": am.tensor(2.0)}
    with pytest.raises(am.ArgumentError, match=r"path 'table\.1'"):
        list(net.parameters())


def test_ordered_dicts_and_tuples_are_opened():
    net = Net()
    net.extra = OrderedDict(a=(am.tensor(1.0, requires_grad=True),))
    assert "extra.a.0" in paths(net)


def test_a_call_enters_a_scope_of_the_modules_name():
    graph = am.Graph(Net()(np.zeros((2, 2))))
    assert list(dict.fromkeys(op.scope for op in graph.operations)) == [
        "net",
        "net/encoder/dense_1",
        "net/encoder/dense_2",
        "net/left",
        "net/dense_1",
    ]


def test_an_mlp_names_its_layers():
    scopes = {op.scope for op in am.Graph(MLP([2, 3, 1])(np.zeros((1, 2)))).operations}
    assert scopes == {"mlp/dense_1", "mlp/dense_2"}


def test_scopes_are_left_after_an_error():
    with pytest.raises(am.ShapeError):
        MLP([2, 3, 1])(np.zeros((1, 5)))
    assert (am.tensor(1.0) + 1).op.scope == ""


def test_tensors_are_named_after_what_holds_them():
    net = Net()
    assert net.scale.name == "scale"
    assert net.blocks["left"].weight.name == "left.weight"
    assert net.encoder.layers[0].weight.name == "dense_1.weight"
    assert Dense(2, 2).weight.name == "weight"


def test_a_name_of_ones_own_is_kept():
    net = Net()
    net.head = Dense(2, 2, name="classifier")
    assert net.head.name == "classifier"


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training and net.blocks["right"][0].training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert all(module.training for module in net.train().modules())


def test_zero_grad_forgets_every_gradient():
    net = Net()
    net(np.ones((3, 2))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_freezing_and_unfreezing_leave_buffers_alone():
    net = Net()
    before = paths(net)
    net.requires_grad_(False)
    assert paths(net) == []
    net.encoder.requires_grad_()
    assert paths(net) == [p for p in before if p.startswith("encoder")]
    net.requires_grad_()
    assert paths(net) == before
    assert not net.offset.requires_grad


def test_a_frozen_copy_can_be_unfrozen():
    frozen = copy.deepcopy(Net().requires_grad_(False))
    assert len(paths(frozen.requires_grad_())) == 9


def test_frozen_parameters_are_not_trained():
    net = Net()
    optimizer = am.optim.SGD(net, lr=0.1)
    net.encoder.requires_grad_(False)
    before = net.encoder.layers[0].weight.data.copy()
    net(np.ones((3, 2))).sum().backward()
    optimizer.step()
    assert np.array_equal(net.encoder.layers[0].weight.data, before)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
)
def test_a_copy_computes_the_same_and_is_independent(copied):
    net = Net().eval()
    other = copied(net)
    x = np.random.default_rng(0).normal(size=(5, 2))
    assert np.array_equal(net.predict(x), other.predict(x))
    assert not other.training
    other.scale.assign(0.0)
    assert net.scale.item() == 2.0


def test_a_copy_keeps_what_is_shared():
    class Tied(Module):
        def __init__(self):
            self.a, self.b = Dense(2, 2), Dense(2, 2)
            self.b.weight = self.a.weight

    other = copy.deepcopy(Tied())
    assert other.a.weight is other.b.weight


def test_astype_returns_a_copy_in_another_dtype():
    net = Net()
    other = net.astype("float32")
    assert {t.dtype for _, t in other.named_tensors()} == {np.dtype("f4")}
    assert {t.dtype for _, t in net.named_tensors()} == {np.dtype("f8")}
    with pytest.raises(am.ArgumentError, match="int64"):
        net.astype(int)


def test_a_module_without_forward_says_so():
    class Empty(Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty()(1.0)


def test_print_shows_layers_outputs_parameters_and_hyperparameters():
    lines = str(MLP([2, 16, 16, 1], activation="tanh", seed=0)).splitlines()
    assert lines[0].startswith("MLP(2-16-16-1, activation='tanh'): 337 trainable parameters")
    assert lines[1].split() == ["layer", "output", "trainable", "parameters", "hyperparameters"]
    assert lines[2].split()[:4] == ["dense_1", "(n,", "16)", "48"]
    assert "layers.0.weight (2, 16)" in lines[2] and "activation tanh" in lines[2]
    assert "activation linear" in lines[4]
    assert len({line.index("layers.") for line in lines[2:]}) == 1


def test_print_tells_what_is_not_trained():
    net = Net()
    net.encoder.requires_grad_(False)
    table = str(net)
    assert "29 not trained" in table.splitlines()[0]
    assert "encoder.layers.0.bias (4,) not trained" in table
    assert "rate 0.5" in table and "functions" not in table


def test_print_of_a_model_without_parameters_and_with_functions():
    assert "0 trainable" in str(Sequential(Dropout(0.5), np.tanh))
    assert "layers.1 tanh" in str(Sequential(Dropout(0.5), np.tanh))


def test_a_model_is_a_function_of_its_parameters():
    model = MLP([2, 3, 1], seed=0)
    x = np.arange(6.0).reshape(3, 2) / 10
    values = dict(model.named_parameters())

    def loss(parameters):
        return (model.with_parameters(parameters)(x) ** 2).sum()

    gradients = am.grad(loss)({path: p.data for path, p in values.items()})
    (model(x) ** 2).sum().backward()
    for path, p in values.items():
        np.testing.assert_allclose(gradients[path], p.grad)
    report = am.gradcheck(loss, values)
    assert report.checked == 13
    assert "parameters['layers.0.weight']" in {entry.input for entry in report.entries}


def test_other_parameter_values_leave_the_model_as_it_was():
    net = Net()
    before = {path: (p, p.data) for path, p in net.named_tensors()}
    other = net.with_parameters({"encoder.layers.0.bias": np.ones(4)})
    assert other.encoder.layers[0].bias.data.tolist() == [1, 1, 1, 1]
    assert other.offset is net.offset
    assert all(p is before[path][0] for path, p in net.named_tensors())
    assert all(p.data is before[path][1] for path, p in net.named_tensors())
    with pytest.raises(am.ArgumentError, match="no parameter 'bias'; it has scale"):
        net.with_parameters({"bias": np.ones(4)})
    with pytest.raises(am.ShapeError, match=r"\(4,\), got \(3,\)"):
        net.with_parameters({"encoder.layers.0.bias": np.ones(3)})


def test_a_notebook_shows_the_neurons():
    assert "<svg" in MLP([2, 3, 1], seed=0)._repr_mimebundle_()["image/svg+xml"]
