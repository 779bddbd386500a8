"""The reference pages, written from what the program itself says: layers, optimizers, the recipe and its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from architectures import architectures

from flambeau.network.catalogue import FieldDoc, layer_catalogue
from flambeau.recipe import json_schema
from flambeau.training.optimizers import optimizer_catalogue

Node = Mapping[str, Any]
"""One (sub)schema."""

DOCS = Path(__file__).parent
MOST = 1e15
"""An upper bound beyond this is that of 64 bits, and tells nobody anything."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "generated": "Written by `make docs` from the program itself; a test keeps it up to date.",
        "fields": "| field | type | default | meaning |",
        "first": "The value of the first field may be written alone: `{conv2d: 32}` is `{conv2d: {channels: 32}}`.",
        "none": "No settings.",
        "takes": "Takes",
        "gives": "gives",
        "any": "anything",
        "same": "the same axes",
        "required": "required",
        "or": " or ",
        "list": "list of ",
        "layer": "layers",
        "architectures": "Architectures",
        "architectures-in": "The networks that come with flambeau, each a file of layers: `--set network=NAME` or `network: NAME` takes one, and the "
        "run's `recipe.resolved.yaml` holds its layers, each of which can be changed. How they are written: [network](network.md).",
        "layers": "Layers",
        "layers-in": "`flambeau layers` lists them, `flambeau layers conv2d` shows one. How they make a network: [network](network.md).",
        "optimizers": "Optimizers",
        "optimizers-in": "Written as `optimizer: adamw`, `{adamw: 0.003}` (the learning rate) or `{adamw: {lr: 0.003, weight_decay: 0.05}}`. "
        "How training goes: [training](training.md).",
        "batch": "batch",
        "good-for": "what it does",
        "recipe": "Recipe",
        "recipe-in": "Every field. What is left out is chosen from the data, and written into the run's `recipe.resolved.yaml`. "
        "How to write one: [recipe guide](recipe-guide.md). For editors: [recipe.schema.json](../recipe.schema.json), printed by `flambeau schema`.",
        "below": "see below",
        "one-of": "One of these: the name alone, the name with its first field (`{rotate: 10}`), or with all of them (`{rotate: {degrees: 10}}`).",
        "name": "| name | meaning | settings |",
    },
    "zh": {
        "generated": "本页由 `make docs` 根据程序自身生成，并由测试保证与程序一致。字段说明保留英文原文。",
        "fields": "| 字段 | 类型 | 默认值 | 含义 |",
        "first": "第一个字段的值可以单独写：`{conv2d: 32}` 即 `{conv2d: {channels: 32}}`。",
        "none": "没有可设置的字段。",
        "takes": "输入",
        "gives": "输出",
        "any": "任意",
        "same": "与输入相同的轴",
        "required": "必填",
        "or": " 或 ",
        "list": "列表：",
        "layer": "层",
        "architectures": "网络结构",
        "architectures-in": "flambeau 自带的网络，每个都是一个由层组成的文件：用 `--set network=名称` 或 `network: 名称` 选用；"
        "运行目录的 `recipe.resolved.yaml` 中列有它的全部层，均可修改。写法见[网络](network.md)。",
        "layers": "网络层",
        "layers-in": "`flambeau layers` 列出所有层，`flambeau layers conv2d` 显示其中一种。如何组成网络，见[网络](network.md)。",
        "optimizers": "优化器",
        "optimizers-in": "写法：`optimizer: adamw`、`{adamw: 0.003}`（学习率）或 `{adamw: {lr: 0.003, weight_decay: 0.05}}`。"
        "训练如何进行，见[训练](training.md)。",
        "batch": "批次",
        "good-for": "作用",
        "recipe": "配方",
        "recipe-in": "全部字段。未写明的由数据决定，并写入运行目录的 `recipe.resolved.yaml`。写法见[配方指南](recipe-guide.md)。"
        "供编辑器使用的 [recipe.schema.json](../recipe.schema.json) 就是 `flambeau schema` 的输出。",
        "below": "见下文",
        "one-of": "任选其一：只写名称；名称加第一个字段（`{rotate: 10}`）；或写出全部字段（`{rotate: {degrees: 10}}`）。",
        "name": "| 名称 | 含义 | 设置 |",
    },
}


def pages() -> dict[Path, str]:
    """Each generated file and what has to be in it."""
    found = {DOCS / "recipe.schema.json": json.dumps(json_schema(), ensure_ascii=False, indent=1) + "\n"}
    for language, words in WORDS.items():
        folder = DOCS / language
        found |= {
            folder / "architectures.md": _page(words, "architectures", "flambeau show photos --set network=small_resnet", architectures(language)),
            folder / "layers.md": _page(words, "layers", "flambeau layers conv_block", _layers(words)),
            folder / "optimizers.md": _page(words, "optimizers", "flambeau fit photos --set training.optimizer=sgd --dry-run", _optimizers(words)),
            folder / "recipe.md": _page(words, "recipe", "flambeau schema", _recipe(words)),
        }
    return found


def _page(words: Mapping[str, str], subject: str, command: str, body: Iterator[str]) -> str:
    head = [f"# {words[subject]}", "", "```bash", command, "```", "", words[f"{subject}-in"], "", words["generated"], ""]
    return "\n".join([*head, *body]).rstrip() + "\n"


def _layers(words: Mapping[str, str]) -> Iterator[str]:
    yield from (words["first"], "")
    for layer in layer_catalogue():
        takes = words["or"].join(" x ".join(axes) for axes in layer.takes) or words["any"]
        gives = words["same"] if layer.gives is None else " x ".join(layer.gives) or words["any"]
        yield from (f"## {layer.name}", "", layer.summary, "", f"{words['takes']} {takes}; {words['gives']} {gives}.", "")
        yield from _table(words, (_layer_row(field, words) for field in layer.fields))


def _layer_row(field: FieldDoc, words: Mapping[str, str]) -> tuple[str, str, str, str]:
    return field.name, field.type, words["required"] if field.required else _value(field.default), field.description


def _optimizers(words: Mapping[str, str]) -> Iterator[str]:
    root = json_schema()
    definitions = _kinds(root["$defs"]["TrainingConfig"]["properties"]["optimizer"])
    for entry in optimizer_catalogue():
        schema = definitions[entry.name]
        yield from (f"## {entry.name}", "", f"{entry.good_for} ({entry.batch})", "")
        yield from _table(words, (_row(name, field, root, words) for name, field in schema["properties"].items()))


def _recipe(words: Mapping[str, str]) -> Iterator[str]:
    root = json_schema()
    parts = {
        "data": "DataConfig",
        "data.split": "SplitConfig",
        "data.series": "SeriesConfig",
        "inputs.NAME (image)": "ImageInput",
        "inputs.NAME (text)": "TextInput",
        "inputs.NAME.clean": "Cleaning",
        "inputs.NAME (audio)": "AudioInput",
        "inputs.NAME (sequence)": "SequenceInput",
        "inputs.NAME (table)": "TableInput",
        "inputs.NAME (custom)": "CustomInput",
        "task (classification)": "Classification",
        "task (multi_label)": "MultiLabel",
        "task (regression)": "Regression",
        "task (ordinal)": "Ordinal",
        "task (custom)": "CustomTask",
        "task.loss.custom": "CustomCode",
        "network": "LayerList",
        "network.initialise": "Initialise",
        "network.timm": "TimmNetwork",
        "network.transformers": "TransformersNetwork",
        "network.custom": "CustomNetwork",
        "network.branches": "Branches",
        "training": "TrainingConfig",
        "training.groups": "Pace",
        "test": "TestConfig",
    }
    for place, name in parts.items():
        definition = root["$defs"][name]
        yield from (f"## {place}", "", _text(definition), "")
        yield from _table(words, (_row(field, schema, root, words) for field, schema in definition["properties"].items()))
        for field, schema in definition["properties"].items():
            if (kinds := _kinds(schema)) and field != "optimizer":
                yield from _choices(f"{place}.{field}", kinds, words)
    yield from ("## export", "", _text(root["properties"]["export"]), "")
    yield f"`{_value(root['properties']['export']['default'])}`"


def _choices(place: str, kinds: Mapping[str, Node], words: Mapping[str, str]) -> Iterator[str]:
    yield from (f"### {place}", "", words["one-of"], "", words["name"], "| --- | --- | --- |")
    for name, kind in kinds.items():
        settings = "<br>".join(f"`{key}: {_value(field.get('default'))}` {_text(field)}" for key, field in kind.get("properties", {}).items())
        yield f"| `{name}` | {_cell(_text(kind))} | {_cell(settings)} |"
    yield ""


def _kinds(schema: Node) -> dict[str, Node]:
    """The members of a choice by name, for a field that is one (`schedule`) or a list of them (`augment`)."""
    found: dict[str, Node] = {}
    for member in schema.get("anyOf", ()):
        if member.get("type") == "array" and isinstance(member.get("items"), Mapping):
            found |= _kinds(member["items"])
        properties = member.get("properties", {})
        if len(properties) == 1:
            [(name, inner)] = properties.items()
            found |= {name: next((choice for choice in inner.get("anyOf", ()) if "properties" in choice), {})}
    return found


def _table(words: Mapping[str, str], rows: Iterator[tuple[str, str, str, str]]) -> Iterator[str]:
    lines = [f"| `{name}` | {_cell(kind)} | {_cell(default)} | {_cell(meaning)} |" for name, kind, default, meaning in rows]
    yield from (words["fields"], "| --- | --- | --- | --- |", *lines) if lines else (words["none"],)
    yield ""


def _row(name: str, field: Node, root: Node, words: Mapping[str, str]) -> tuple[str, str, str, str]:
    return name, _type(field, root, words), _default(field, words), _text(field)


def _default(field: Node, words: Mapping[str, str]) -> str:
    """Of what is chosen by its name only that."""
    default = field.get("default", "")
    if not isinstance(default, dict) or not default:
        return _value(default)
    return next(iter(default)) if default.keys() <= _kinds(field).keys() else words["below"]


def _type(schema: Node, root: Node, words: Mapping[str, str]) -> str:
    """A JSON Schema -> a few words."""
    if schema.get("items") == {"$ref": "#/$defs/Node"}:
        return words["list"] + words["layer"]
    if kinds := _kinds(schema):
        names = [name for member in schema["anyOf"] for name in member.get("enum", ())] or list(kinds)
        return words["list"] * any(member.get("type") == "array" for member in schema["anyOf"]) + ", ".join(names)
    if "$ref" in schema:
        return _type(root["$defs"][schema["$ref"].rpartition("/")[2]], root, words)
    for group in ("anyOf", "oneOf"):
        if group in schema:
            return words["or"].join(dict.fromkeys(_type(member, root, words) for member in schema[group]))
    if "enum" in schema:
        return ", ".join(map(_value, schema["enum"]))
    if "const" in schema:
        return _value(schema["const"])
    if schema.get("type") == "array":
        items = schema.get("items")
        return words["list"] + (_type(items, root, words) if isinstance(items, Mapping) else "number")
    return str(schema.get("type", "object")) + _bounds(schema)


def _bounds(schema: Node) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None or high is None:
        return ""
    if high > MOST:
        return f", {low:,.10g}+"
    above, below = ">" if "exclusiveMinimum" in schema else "", "<" if "exclusiveMaximum" in schema else ""
    return f", {above}{low:,.10g} to {below}{high:,.10g}"


def _text(schema: Node) -> str:
    """A description without its sources, on one line."""
    return " ".join(str(schema.get("description", "")).split("\n\n")[0].split())


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cell(content: str) -> str:
    return content.replace("|", "\\|").replace("\n", " ")
