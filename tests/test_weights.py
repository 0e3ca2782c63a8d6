"""Weights in files: round trips, every way in which a file is wrong, nothing half-loaded."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import MLP, Module


@pytest.fixture
def model():
    return MLP([2, 3, 1], seed=0)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "weights.npz"
    model.save(path)
    return path


def values(model):
    return {name: np.array(t.data) for name, t in model.named_tensors()}


def same(one, two):
    return one.keys() == two.keys() and all(np.array_equal(one[k], two[k]) for k in one)


def refused(path, match):
    other = MLP([2, 3, 1], seed=1)
    before = values(other)
    with pytest.raises(am.WeightsError, match=match):
        other.load(path)
    assert same(values(other), before)


def test_loading_gives_back_what_was_saved(model, saved):
    other = MLP([2, 3, 1], seed=1)
    assert other.load(saved) is None
    assert same(values(other), values(model))


def test_the_file_is_a_plain_npz_of_paths(model, saved):
    with np.load(saved, allow_pickle=False) as arrays:
        assert sorted(arrays) == sorted(values(model))
        assert np.array_equal(arrays["layers.0.weight"], model.layers[0].weight.data)


def test_what_numpy_wrote_is_loaded_compressed_too(model, tmp_path):
    other = MLP([2, 3, 1], seed=1)
    np.savez_compressed(tmp_path / "w.npz", **values(model))
    other.load(str(tmp_path / "w.npz"))
    assert same(values(other), values(model))


def test_buffers_scalars_and_odd_names_are_saved(tmp_path):
    class Odd(Module):
        def __init__(self):
            self.file = am.tensor(2.0, requires_grad=True)
            self.allow_pickle = am.tensor([1, 2])
            self.table = {"a/b ü": am.tensor(np.zeros((0, 2)))}

    one, two = Odd(), Odd()
    one.file.assign(5.0)
    one.allow_pickle.assign([3, 4])
    one.save(tmp_path / "odd")
    two.load(tmp_path / "odd")
    assert two.file.item() == 5.0 and two.allow_pickle.tolist() == [3, 4]
    assert isinstance(two.file.data, np.float64)


def test_float64_weights_go_into_a_float32_model_rounded_and_back(model, saved, tmp_path):
    single = MLP([2, 3, 1], seed=1, dtype="float32")
    single.load(saved)
    assert {t.dtype for t in single.parameters()} == {np.dtype("f4")}
    np.testing.assert_allclose(single.layers[0].weight.data, model.layers[0].weight.data, rtol=1e-6)
    single.save(tmp_path / "single")
    model.load(tmp_path / "single")
    assert model.layers[0].weight.dtype == np.float64


def test_values_too_large_for_float32_are_refused(model, tmp_path):
    model.layers[0].bias.assign([1e300, 0, 0])
    model.save(tmp_path / "large")
    single = MLP([2, 3, 1], seed=1, dtype="float32")
    before = values(single)
    with pytest.raises(am.WeightsError, match="does not fit"):
        single.load(tmp_path / "large")
    assert same(values(single), before)


def test_loading_makes_recorded_graphs_stale(model, saved):
    y = model(np.ones((1, 2))).sum()
    model.load(saved)
    with pytest.raises(am.StaleGraphError):
        y.backward()


def test_missing_and_extra_names_are_listed(model, tmp_path):
    arrays = values(model)
    arrays["layers.9.weight"] = arrays.pop("layers.0.bias")
    np.savez(tmp_path / "w.npz", **arrays)
    refused(
        tmp_path / "w.npz", r"lacks layers\.0\.bias \(3,\); has layers\.9\.weight \(3,\), which"
    )


def test_another_shape_is_named(tmp_path):
    MLP([2, 4, 1]).save(tmp_path / "w.npz")
    refused(tmp_path / "w.npz", r"layers\.0\.weight of shape \(2, 4\), the model's is \(2, 3\)")


@pytest.mark.parametrize("dtype", ["c16", "U3", "M8[s]"])
def test_another_kind_of_values_is_named(model, tmp_path, dtype):
    arrays = values(model)
    arrays["layers.1.bias"] = np.zeros(1).astype(int).astype(dtype)
    np.savez(tmp_path / "w.npz", **arrays)
    refused(tmp_path / "w.npz", r"layers\.1\.bias of dtype .*the model's is float64")


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def test_objects_are_never_unpickled(model, tmp_path):
    arrays = values(model)
    arrays["layers.1.bias"] = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "w.npz", **arrays)
    refused(tmp_path / "w.npz", "Python objects, which are never unpickled")


def test_files_that_are_something_else_are_refused(model, tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("not weights")
    (tmp_path / "pickled").write_bytes(pickle.dumps(Bomb()))
    for name in ("array.npy", "empty", "text", "pickled"):
        refused(tmp_path / name, "not a file of weights")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("layers.0.weight.npy", "not an array")
    refused(tmp_path / "other.zip", "not a file of weights")
    refused(tmp_path / "nowhere.npz", "there is no file")
    refused(tmp_path, "cannot read")


def test_damaged_files_are_refused_wherever_they_are_damaged(saved, tmp_path):
    content = saved.read_bytes()
    damaged = tmp_path / "damaged.npz"
    for place in range(0, len(content), 37):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        damaged.write_bytes(changed)
        other = MLP([2, 3, 1], seed=1)
        before = values(other)
        try:
            other.load(damaged)
        except am.WeightsError:
            assert same(values(other), before)
        else:  # a byte that nothing reads, as a date
            assert same(values(other), values(MLP([2, 3, 1], seed=0)))


def test_cut_files_are_refused(saved, tmp_path):
    content = saved.read_bytes()
    for length in range(0, len(content), 101):
        (tmp_path / "cut").write_bytes(content[:length])
        refused(tmp_path / "cut", "not a file of weights")


def test_a_failed_save_leaves_the_old_file_and_no_other(model, saved, monkeypatch):
    before = saved.read_bytes()
    model.layers[0].weight.assign(np.zeros((2, 3)))

    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        model.save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_saving_into_a_directory_that_is_not_there_says_to_create_it(model, tmp_path):
    path = tmp_path / "no" / "dir" / "a.npz"
    with pytest.raises(FileNotFoundError, match=r"no directory.*os\.makedirs") as caught:
        model.save(path)
    assert str(path) in str(caught.value) and "partial" not in str(caught.value)
    assert caught.value.filename == str(path)


def test_saving_where_it_cannot_be_written_names_the_path_that_was_given(model, saved, tmp_path):
    for path, kind in ((saved / "a.npz", NotADirectoryError), (tmp_path, OSError)):
        with pytest.raises(kind) as caught:
            model.save(path)
        assert str(path) in str(caught.value) and "partial" not in str(caught.value)
    assert os.listdir(tmp_path) == [saved.name]


def test_saving_again_replaces_the_file_and_follows_a_link(model, saved, tmp_path):
    link = tmp_path / "link.npz"
    link.symlink_to(saved)
    model.layers[0].bias.assign([1.0, 2.0, 3.0])
    model.save(link)
    other = MLP([2, 3, 1], seed=1)
    other.load(saved)
    assert link.is_symlink() and other.layers[0].bias.tolist() == [1.0, 2.0, 3.0]


def test_a_model_without_tensors_can_be_saved(tmp_path):
    am.nn.Dropout(0.5).save(tmp_path / "none")
    am.nn.Dropout(0.5).load(tmp_path / "none")
