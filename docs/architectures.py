"""The catalogue of presets, written from their files and from what they cost at stated sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files

from torch import nn

from flambeau.network.build import build
from flambeau.network.layer import COLUMNS, FEATURES, IDS, IMAGE, SEQUENCE, Axes
from flambeau.network.spec import PRESETS, PresetName, read_preset
from flambeau.network.table import Row, layer_table, total
from flambeau.types import TensorSpec

EXAMPLES: Mapping[Axes, TensorSpec] = {
    IMAGE: TensorSpec(IMAGE, (1, 64, 64), "float32"),
    IDS: TensorSpec(IDS, (100,), "int64", 10_000),
    SEQUENCE: TensorSpec(SEQUENCE, (100, 6), "float32"),
    COLUMNS: TensorSpec(COLUMNS, (30,), "float32", (*[0] * 20, *[8] * 10)),
    FEATURES: TensorSpec(FEATURES, (30,), "float32"),
}
"""The sizes at which the costs are told, with 10 answers."""
WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "table": "| preset | takes | parameters | multiply-adds |",
        "costs": "What they cost, with 10 answers: pictures of 1 x 64 x 64, texts of 100 words out of 10,000 (whose embedding is most of the "
        "parameters), sequences of 100 times with 6 features, tables of 20 numbers and 10 categories of 8, 30 features.",
        "layers": "Its layers",
    },
    "zh": {
        "table": "| 预设 | 输入 | 参数 | 乘加运算 |",
        "costs": "以 10 个答案计的代价：1 x 64 x 64 的图片、词表 10,000 中取 100 个词的文本（参数主要在 embedding）、"
        "100 个时间步 6 个特征的序列、20 个数和 10 个 8 类类别的表格、30 个特征。",
        "layers": "它的层",
    },
}


def architectures(language: str) -> Iterator[str]:
    """The lines of the page behind its head."""
    words = WORDS[language]
    yield from (words["costs"], "", words["table"], "| --- | --- | --- | --- |")
    for name in PRESETS:
        for axes in read_preset(name).takes:
            cost = cost_of(name, axes)
            yield f"| [{name}](#{name}) | {' x '.join(axes)} | {cost.parameters:,} | {cost.flops // 2:,} |"
    for name in PRESETS:
        about, layers = told(name)
        yield from ("", f"## {name}", "", *about, "", f"{words['layers']}:", "", "```yaml", *layers, "```")


def cost_of(name: PresetName, axes: Axes) -> Row:
    """What a preset costs at the size of the example with these axes."""
    specs = {"x": EXAMPLES[axes]}
    return total(layer_table(build(name, specs, {"x": nn.Identity()}, 10, nn.Identity(), 0), specs))


def told(name: PresetName) -> tuple[list[str], list[str]]:
    """What a preset's file says of itself, and its layers as a recipe may say them."""
    lines = (files("flambeau.network") / "presets" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    about = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    first = about[0].removeprefix(f"{name}: ")
    about[0] = first[0].upper() + first[1:]
    written = [line for line in lines if not line.startswith("#")]
    begin = written.index("network:")
    return about, [*(f"# {line}" for line in written[:begin]), *written[begin:]]
