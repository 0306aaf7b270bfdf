"""Merging saved models without loading them gives what merging loaded ones does."""

import json
import shutil
import subprocess
import sys

import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, pipeline

from ftlearn import interpolation, models
from ftlearn.interpolation.weights import on_disk
from ftlearn.models import architecture
from ftlearn.models.pooling import HEAD_FILE


def noisy(folder, to, kind=AutoModel, seed=1, **options):
    """A saved copy of a model with noise on all its weights."""
    model, tokenizer = kind.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(to, **options)
    tokenizer.save_pretrained(to)
    return to


def check(start, end, out, alpha, kind=AutoModel):
    first, second, found = (kind.from_pretrained(place) for place in (start, end, out))
    expected = interpolation.interpolate(first, second, alpha)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, expected[name]), name
    assert any(not torch.equal(t, first.state_dict()[n]) for n, t in expected.items())


@pytest.mark.parametrize("alpha", [-0.5, 0.25, 1, 1.5])
@pytest.mark.parametrize("shape", tiny_models.SHAPES)
def test_a_folder_between_two_is_the_model_between_them(tiny_checkpoints, tmp_path, shape, alpha):
    start = tiny_checkpoints[shape]
    end = noisy(start, tmp_path / "end")
    out = on_disk.interpolate(start, end, alpha, tmp_path / "out")
    check(start, end, out, alpha)
    assert AutoTokenizer.from_pretrained(out)("code")["input_ids"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["end", "out"]


@pytest.mark.parametrize(("first", "second"), [("20KB", "50KB"), ("20KB", "1GB"), ("1GB", "20KB")])
def test_models_that_are_sharded_differently_are_merged(tiny_bert, tmp_path, first, second):
    start = noisy(tiny_bert, tmp_path / "start", seed=1, max_shard_size=first)
    end = noisy(tiny_bert, tmp_path / "end", seed=2, max_shard_size=second)
    assert len(list(start.glob("*.safetensors"))) != len(list(end.glob("*.safetensors")))
    out = on_disk.interpolate(start, end, 0.3, tmp_path / "out")
    check(start, end, out, 0.3)
    names = {path.name for path in start.iterdir()}
    assert {path.name for path in out.iterdir()} == names
    for name in (path.name for path in start.glob("*.safetensors")):
        assert {n: t.shape for n, t in load_file(out / name).items()} == {
            n: t.shape for n, t in load_file(start / name).items()
        }


def test_a_tied_weight_is_stored_once_and_stays_tied(tiny_checkpoints, tmp_path):
    start = noisy(tiny_checkpoints["gpt2"], tmp_path / "a", AutoModelForCausalLM)
    end = noisy(tiny_checkpoints["gpt2"], tmp_path / "b", AutoModelForCausalLM, seed=2)
    out = on_disk.interpolate(start, end, 0.5, tmp_path / "out")
    check(start, end, out, 0.5, AutoModelForCausalLM)
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.lm_head.weight is model.transformer.wte.weight


@pytest.fixture
def classifiers(tiny_bert, tmp_path):
    """Two saved classifiers with different heads on one backbone."""
    places = []
    for seed in (0, 1):
        model, tokenizer = models.load(tiny_bert, tiny_models.CLASSES, seed=seed, device="cpu")
        places.append(tmp_path / f"seed{seed}")
        model.save_pretrained(places[-1])
        tokenizer.save_pretrained(places[-1])
    return places


def test_a_pipeline_opens_the_merged_folder(classifiers, tmp_path):
    out = on_disk.soup(classifiers, tmp_path / "out")
    answer = pipeline("text-classification", str(out), top_k=None)(["a warm day"])[0]
    assert {row["label"] for row in answer} == {"cold", "mild", "warm"}


def test_a_model_with_its_own_pooling_is_merged_head_and_all(tiny_bert, tmp_path):
    loaded = []
    for seed in (0, 1):
        load = {"task": tiny_models.CLASSES, "device": "cpu", "pooling": "mean"}
        model, tokenizer = models.load(tiny_bert, **load, seed=seed)
        model.save_pretrained(tmp_path / str(seed))
        tokenizer.save_pretrained(tmp_path / str(seed))
        loaded.append(model)
    out = on_disk.interpolate(tmp_path / "0", tmp_path / "1", 0.3, tmp_path / "out")
    found, _ = models.load(out, tiny_models.CLASSES, device="cpu")
    assert isinstance(found, architecture.PooledClassifier)
    assert found.pooling == "mean"
    first, second, mixed = (tiny_models.logits(m, tiny_models.WHOLE) for m in (*loaded, found))
    torch.testing.assert_close(mixed, 0.7 * first + 0.3 * second, rtol=0, atol=1e-6)


def test_poolings_that_differ_are_refused(tiny_bert, tmp_path):
    for pooling in ("mean", "cls"):
        load = {"task": tiny_models.CLASSES, "device": "cpu", "pooling": pooling}
        models.load(tiny_bert, **load)[0].save_pretrained(tmp_path / pooling)
    with pytest.raises(ValueError, match=f"{HEAD_FILE}.*pooling"):
        on_disk.soup([tmp_path / "mean", tmp_path / "cls"], tmp_path / "out")


def test_any_rule_can_merge_and_is_passed_the_names(classifiers, tmp_path):
    seen = []

    def rule(name, tensors):
        seen.append(name)
        return tensors[0] + 2 * (tensors[1] - tensors[0])

    on_disk.merge(classifiers, tmp_path / "out", rule)
    first, second, found = map(on_disk.read, (*classifiers, tmp_path / "out"))
    assert set(seen) == set(found) == set(first)
    expected = 2 * second["classifier.weight"] - first["classifier.weight"]
    torch.testing.assert_close(found["classifier.weight"], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_formats_are_kept(tmp_path, dtype):
    for name, value in (("a", 1.0), ("b", 3.0)):
        (tmp_path / name).mkdir()
        tensors = {
            "w": torch.full((2, 3), value).to(dtype),
            "empty": torch.zeros(0, 2),
            "scalar": torch.tensor(value),
            "ids": torch.arange(3),
        }
        save_file(tensors, tmp_path / name / "model.safetensors", metadata={"format": "pt"})
    out = on_disk.interpolate(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "out")
    found = load_file(out / "model.safetensors")
    assert found["w"].dtype == dtype
    assert found["w"].float().tolist() == [[2.0] * 3] * 2
    assert found["scalar"].item() == 2.0
    assert found["ids"].tolist() == [0, 1, 2]
    assert found["empty"].shape == (0, 2)


def test_quantised_weights_are_refused(tmp_path):
    for name, value in (("a", 1.0), ("b", 3.0)):
        (tmp_path / name).mkdir()
        tensors = {"w": torch.full((2, 3), value).to(torch.float8_e4m3fn)}
        save_file(tensors, tmp_path / name / "model.safetensors")
    with pytest.raises(ValueError, match="'w' is quantised"):
        on_disk.interpolate(tmp_path / "a", tmp_path / "b", 0.5, tmp_path / "out")


def edit(folder, name, **changes):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_models_of_other_labels_or_shapes_are_refused_and_leave_nothing(classifiers, tmp_path):
    start, end = classifiers
    edit(end, "config.json", id2label={"0": "warm", "1": "mild", "2": "cold"})
    with pytest.raises(ValueError, match=r"config\.json.*'id2label'"):
        on_disk.soup([start, end], tmp_path / "out")
    shutil.copy(start / "config.json", end)
    edit(end, "config.json", hidden_dropout_prob=0.5, transformers_version="4", _name_or_path="x")
    on_disk.soup([start, end], tmp_path / "fine")
    (end / "ftlearn_task.json").write_text('{"kind": "regression", "center": 3.0}')
    (start / "ftlearn_task.json").write_text('{"kind": "regression", "center": 2.0}')
    with pytest.raises(ValueError, match=r"ftlearn_task\.json.*'center'"):
        on_disk.soup([start, end], tmp_path / "out")
    (end / "ftlearn_task.json").unlink()
    vocabulary = json.loads((end / "tokenizer.json").read_text())
    vocabulary["model"]["vocab"]["[PAD]"] = 77
    (end / "tokenizer.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ValueError, match=r"tokenizer\.json.*'vocabulary'"):
        on_disk.soup([start, end], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fine", "seed0", "seed1"]


def test_a_model_without_a_head_does_not_fit_one_with(classifiers, tiny_bert, tmp_path):
    with pytest.raises(ValueError, match="same head"):
        on_disk.soup([classifiers[0], tiny_bert], tmp_path / "out")


def test_a_missing_shard_a_double_tensor_and_no_weights_are_refused(tiny_bert, tmp_path):
    place = noisy(tiny_bert, tmp_path / "sharded", max_shard_size="20KB")
    shutil.copy(tiny_bert / "model.safetensors", place / "stale.safetensors")
    with pytest.raises(ValueError, match=r"is in both .* remove one"):
        on_disk.soup([place, place], tmp_path / "out")
    (place / "stale.safetensors").unlink()
    shard = sorted(place.glob("*.safetensors"))[0]
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=shard.name):
        on_disk.soup([place, place], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"any \.safetensors"):
        on_disk.soup([tmp_path, place], tmp_path / "out")


def test_an_existing_folder_is_never_replaced(classifiers, tmp_path):
    with pytest.raises(FileExistsError, match="seed0"):
        on_disk.soup(classifiers, classifiers[0])


def test_a_failure_leaves_nothing_half_written(classifiers, tmp_path):
    calls = []

    def fail(name, tensors):
        calls.append(name)
        if len(calls) == 5:
            raise OSError("no space left")
        return tensors[0]

    with pytest.raises(OSError, match="no space"):
        on_disk.merge(classifiers, tmp_path / "out", fail)
    with pytest.raises(ValueError, match="another shape or format"):
        on_disk.merge(classifiers, tmp_path / "out", lambda name, tensors: tensors[0].double())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed0", "seed1"]


def test_weights_in_other_formats_and_notes_are_not_carried_over(classifiers, tmp_path):
    for name in ("pytorch_model.bin", "README.md", "optimizer.pt"):
        (classifiers[0] / name).write_bytes(b"old")
    out = on_disk.soup(classifiers, tmp_path / "out")
    assert {path.suffix for path in out.iterdir()} <= {".json", ".txt", ".jinja", ".safetensors"}


MEASURE = """
import sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from ftlearn import runtime
from ftlearn.interpolation.weights import on_disk

root = Path(sys.argv[1])


def three(kind, width):
    for name in "abc":
        (root / kind / name).mkdir(parents=True)
        for shard in range(8):
            tensors = {f"w{shard}{index}": torch.ones(width, width) for index in range(8)}
            save_file(tensors, root / kind / name / f"model-{shard}.safetensors")
    return [root / kind / name for name in "abc"]


on_disk.soup(three("small", 10), root / "warm")
large = three("large", 500)
print(runtime.memory_growth(lambda: on_disk.soup(large, root / "out")))
"""


def test_memory_is_that_of_a_few_tensors_and_not_of_the_models(tmp_path):
    # Three models of 64 MB each, in files of 8 MB and tensors of 1 MB. Some kernels map a whole
    # file where one tensor of it is read: three files, and a few tensors beside them.
    run = [sys.executable, "-c", MEASURE, str(tmp_path)]
    grown = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert grown < 40e6
    assert (tmp_path / "out" / "model-7.safetensors").stat().st_size > 8e6
