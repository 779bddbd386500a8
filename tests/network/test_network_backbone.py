"""timm models as bodies: sizes, weights from files, freezing, learning rates."""

from __future__ import annotations

import pickle
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from flambeau.errors import ExtraMissing, RecipeError, ShapeError
from flambeau.network.backbone import backbone_preparation
from flambeau.network.build import Network, build, parameter_groups
from flambeau.network.contract import check_module_export
from flambeau.network.layer import FEATURES, IMAGE, Shape
from flambeau.network.spec import TimmNetwork
from flambeau.network.table import layer_table
from flambeau.network.weights import read_weights
from flambeau.types import TensorSpec

timm = pytest.importorskip("timm")
NAME = "test_resnet"
FIRST = "conv1.0.weight"
"""Its first convolution."""


def made(channels: int = 3, size: int = 32, pretrained: bool = True, seed: int = 0, **fields: object) -> Network:
    spec = TimmNetwork.model_validate({"name": NAME, **fields})
    specs = {"image": TensorSpec(IMAGE, (channels, size, size), "float32")}
    return build(spec, specs, {"image": nn.Identity()}, 4, nn.Softmax(-1), seed, pretrained=pretrained)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """The weights of such a model with a classifier, as others save them."""
    torch.manual_seed(9)
    return dict(timm.create_model(NAME, num_classes=7).state_dict())


def saved(path: Path, weights: dict[str, torch.Tensor]) -> str:
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    return str(path)


@pytest.mark.parametrize(("name", "channels", "size"), [(NAME, 1, 8), ("test_vit", 3, 48), ("test_efficientnet", 3, 32)])
def test_models_of_any_kind_and_size(name: str, channels: int, size: int) -> None:
    network = made(channels, size, name=name)
    assert network.eval()(torch.rand(2, channels, size, size)).shape == (2, 4)
    rows = layer_table(network, {"image": TensorSpec(IMAGE, (channels, size, size), "float32")})
    assert [row.name for row in rows] == ["image", "timm", "head"]
    assert rows[1].parameters == sum(parameter.numel() for parameter in network.body.parameters())
    assert rows[1].flops > 0 and rows[1].memory_bytes > 0


@pytest.mark.parametrize(("name", "size"), [(NAME, 32), ("test_vit", 48), ("test_efficientnet", 32)])
def test_levels_are_means_and_maxima_of_feature_maps(name: str, size: int) -> None:
    network = made(3, size, name=name, levels=[-2, -1]).eval()
    torch.manual_seed(0)
    images = torch.rand(2, 3, size, size)
    wrapped = next(iter(network.body.children()))
    whole = timm.create_model(name, num_classes=0, **({"img_size": size} if "vit" in name else {})).eval()
    assert len(wrapped.model.state_dict()) <= len(whole.state_dict()), "what stands behind the last level is gone"
    whole.load_state_dict(wrapped.model.state_dict(), strict=False)
    maps = whole.forward_intermediates(images, indices=2, intermediates_only=True)
    wanted = torch.cat([torch.cat([one.flatten(2).mean(2), one.flatten(2).max(2).values], 1) for one in maps], 1)
    torch.testing.assert_close(network.features({"image": images}), wanted)
    assert network(images).shape == (2, 4)


def test_same_seed_same_weights() -> None:
    was = torch.get_rng_state()
    one, other = made().state_dict(), made().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), was)


def test_a_frozen_backbone_with_levels_takes_weights_of_the_whole_and_exports(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    network = made(weights=saved(tmp_path / "w.safetensors", weights), freeze=True, levels=[1, 3])
    frozen = next(iter(network.body.children()))
    assert torch.equal(frozen.module.model.state_dict()[FIRST], weights[FIRST])
    assert not any(parameter.requires_grad for parameter in network.body.parameters())
    check_module_export("levels", frozen.eval(), Shape(IMAGE, (3, 32, 32)))


def test_a_backbone_exports() -> None:
    x = torch.rand(3, 3, 16, 16)
    network = made(size=16).eval()
    exported = torch.export.export(network, (x,), dynamic_shapes=(({0: torch.export.Dim("batch", min=1)},),)).module()
    for batch in (1, 3):
        assert torch.allclose(exported(x[:batch]), network(x[:batch]), atol=1e-6)


@pytest.mark.parametrize("form", ["safetensors", "checkpoint", "wrapped"])
def test_weights_from_a_file(tmp_path: Path, weights: dict[str, torch.Tensor], form: str) -> None:
    file = tmp_path / f"weights.{'safetensors' if form == 'safetensors' else 'pth'}"
    if form == "safetensors":
        saved(file, weights)
    elif form == "checkpoint":
        torch.save(weights, file)
    else:
        torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in weights.items()}}, file)
    network = made(weights=str(file), lr_scale=0.1)
    state = network.body.get_submodule("0_timm").state_dict()
    assert state and all(torch.equal(tensor, weights[name]) for name, tensor in state.items())
    assert network.notices == ()
    assert not torch.equal(made(weights=str(file), pretrained=False).body.get_parameter(f"0_timm.{FIRST}"), weights[FIRST])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_the_first_convolution_is_made_to_fit_as_timm_does(tmp_path: Path, weights: dict[str, torch.Tensor], channels: int) -> None:
    from timm.models import adapt_input_conv

    network = made(channels, weights=saved(tmp_path / "w.safetensors", weights))
    assert torch.allclose(network.body.get_parameter(f"0_timm.{FIRST}"), adapt_input_conv(channels, weights[FIRST]), atol=1e-6)
    assert network.notices == ()


def test_weights_that_fit_in_part_are_noticed(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    total = sum(not name.endswith("num_batches_tracked") for name in weights) - 2  # the classifier is not wanted
    del weights["bn1.weight"]
    weights["bn1.bias"] = torch.zeros(99)
    [notice] = made(weights=saved(tmp_path / "w.safetensors", weights)).notices
    assert (notice.code, notice.facts["loaded"]) == ("weights-in-part", total - 2)
    assert "bn1.weight" in notice.what and "bn1.bias" in notice.what


class Bomb:
    """A pickle that would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w')",)


def test_files_that_are_no_weights(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    proof = tmp_path / "proof"
    files = {name: tmp_path / name for name in ("evil.pth", "text.pth", "empty.pth", "text.safetensors", "list.pth", "other.safetensors")}
    files["evil.pth"].write_bytes(pickle.dumps({"weight": Bomb(proof)}))
    files["text.pth"].write_text("no weights")
    files["empty.pth"].write_bytes(b"")
    files["text.safetensors"].write_text("{" * 100)
    torch.save([1, 2], files["list.pth"])
    saved(files["other.safetensors"], {"something.else": torch.zeros(3)})
    codes = {}
    for name, file in files.items():
        with pytest.raises(RecipeError) as caught:
            made(weights=str(file))
        assert caught.value.path == ("network", "timm", "weights")
        assert name in caught.value.what
        codes[name] = caught.value.code
    assert codes.pop("other.safetensors") == "weights-do-not-fit"
    assert set(codes.values()) == {"weights-unreadable"}
    assert not proof.exists()
    with pytest.raises(RecipeError, match="weights-not-found"):
        made(weights=str(tmp_path / "missing.pth"))


def foreign(folder: Path) -> dict[str, Path]:
    """Files that other programs call a model: an exported program, TorchScript, Keras, archives."""
    files = {name: folder / name for name in ("model.pt2", "script.pt", "model.keras", "weights.tar", "weights.pth.tar")}
    layer = nn.Linear(2, 2)
    torch.export.save(torch.export.export(layer, (torch.zeros(1, 2),)), files["model.pt2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        torch.jit.save(torch.jit.trace(layer, torch.zeros(1, 2)), files["script.pt"])
    with zipfile.ZipFile(files["model.keras"], "w") as archive:
        archive.writestr("config.json", '{"module": "keras"}')
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    inside = folder / "inside.pth"
    torch.save(layer.state_dict(), inside)
    for name in ("weights.tar", "weights.pth.tar"):
        with tarfile.open(files[name], "w") as packed:
            packed.add(inside, "inside.pth")
    return files


def test_models_of_other_kinds_are_no_weights(tmp_path: Path) -> None:
    for name, file in foreign(tmp_path).items():
        with pytest.raises(RecipeError, match="weights-unreadable") as caught:
            made(weights=str(file))
        assert name in caught.value.what


def packed(file: Path, repeats: int) -> str:
    """A checkpoint of zeros, its members deflated as torch itself never does, the tensor's bytes `repeats` times as many."""
    plain = file.with_suffix(".plain")
    torch.save({"bn1.weight": torch.zeros(1 << 18, dtype=torch.uint8).repeat(repeats)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    plain.unlink()
    return str(file)


def test_a_packed_checkpoint_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a megabyte that would become 300."""
    bomb = packed(tmp_path / "bomb.pth", 1200)
    assert Path(bomb).stat().st_size < 1 << 20
    small = packed(tmp_path / "small.pth", 4)
    assert "bn1.weight" in read_weights(Path(small), ())
    loaded: list[object] = []
    monkeypatch.setattr(torch, "load", lambda *_, **__: loaded.append(1) or {})
    with pytest.raises(RecipeError, match="weights-unreadable"):
        made(weights=bomb)
    monkeypatch.setattr("flambeau.storage.memory", lambda: 1 << 20)
    with pytest.raises(RecipeError, match="weights-unreadable"):
        made(weights=small)
    assert not loaded


def test_a_lying_stride_takes_no_memory(tmp_path: Path) -> None:
    """A file of two kilobytes whose tensor claims four terabytes."""
    file = tmp_path / "giant.pth"
    torch.save({"bn1.weight": torch.zeros(1).expand(10**12), "bn1.bias": torch.zeros(32)}, file)
    assert file.stat().st_size < 10_000
    assert "bn1.weight" in made(weights=str(file)).notices[0].what


def test_a_frozen_backbone_stays_as_it_is(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    network = made(weights=saved(tmp_path / "w.safetensors", weights), freeze=True, lr_scale=0.1).train()
    [group] = parameter_groups(network)
    assert {id(parameter) for parameter in group["params"]} == {id(parameter) for parameter in network.head.parameters()}
    was = {name: tensor.clone() for name, tensor in network.body.state_dict().items()}
    optimizer = torch.optim.SGD(group["params"], 0.1)
    network.logits({"image": torch.randn(4, 3, 32, 32)}).sum().backward()
    optimizer.step()
    assert all(torch.equal(was[name], tensor) for name, tensor in network.body.state_dict().items())
    assert network.head.training and not network.body.get_submodule("0_timm.module.bn1").training


def test_a_head_over_a_frozen_backbone_starts_at_zero(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    file = saved(tmp_path / "w.safetensors", weights)
    assert not made(weights=file, freeze=True).head.weight.any()
    assert made(weights=file).head.weight.any()


def test_a_backbone_can_learn_more_slowly() -> None:
    network = made(lr_scale=0.1)
    body, head = parameter_groups(network)
    assert (body["lr_scale"], head["lr_scale"]) == (0.1, 1.0)
    assert len(body["params"]) + len(head["params"]) == len(list(network.parameters()))
    assert len(head["params"]) == 2


def test_what_a_backbone_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        ({"name": "resnet19"}, 32, "timm-unknown", ("network", "timm", "name")),
        ({"name": "resnet18.nothing"}, 32, "timm-unknown", ("network", "timm", "name")),
        ({"name": "hf-hub:somebody/something"}, 32, "timm-unknown", ("network", "timm", "name")),
        ({"name": "xcit_nano_12_p8_224", "weights": "hub"}, 33, "timm-size", ("network", "timm")),
        ({"levels": [9]}, 32, "timm-levels", ("network", "timm", "levels")),
        ({"freeze": True}, 32, "freeze-untrained", ("network", "timm", "freeze")),
        ({"name": "vit_giant_patch14_224"}, 60_000, "parameters-too-many", ("network", "timm")),
        ({"name": "inception_v3"}, 8, "timm-size", ("network", "timm")),
    ]
    for fields, size, code, path in cases:
        with pytest.raises(RecipeError) as caught:
            made(size=size, **fields)
        assert (caught.value.code, caught.value.path) == (code, path)
    with pytest.raises(ShapeError, match="timm-needs-image"):
        build(TimmNetwork(name=NAME), {"row": TensorSpec(FEATURES, (3,), "float32")}, {"row": nn.Identity()}, 2, nn.Softmax(-1), 0)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RecipeError) as caught:
        made(name="test_resnet.r160_in1k", weights="hub")
    assert caught.value.code == "weights-unreachable"


def test_how_a_backbones_images_are_prepared() -> None:
    preparation = backbone_preparation("tf_efficientnet_lite0")
    assert (preparation.size, preparation.mean, preparation.std, preparation.interpolation) == ((224, 224), (0.5,) * 3, (0.5,) * 3, "bicubic")
    with pytest.raises(RecipeError) as caught:
        backbone_preparation("resnet-18")
    assert caught.value.facts["guess"].startswith("resnet")  # type: ignore[union-attr]


def test_timm_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ExtraMissing) as caught:
        made()
    assert caught.value.fix == 'pip install "flambeau[zoo]"'
