"""The model card: README.md of an artifact, with the metadata block that model hubs read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flambeau.messages import printable

SHOWN = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "log_loss", "roc_auc")


def model_card(signature: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """The signature and the test's scores -> Markdown."""
    baseline = signature["baseline"]
    rows = [f"| {name} | {_number(scores[name])} | {_interval(scores[name])} | {scores[name]['n']:,} |" for name in SHOWN if name in scores]
    classes = [_class_row(row) for row in scores["per_class"]]
    inputs = [f"- `{_escaped(name)}`: {entry['type']}, encoded as {_shape(entry['spec'])}" for name, entry in signature["inputs"].items()]
    accuracy = f"{_number(scores['accuracy'])} ({_interval(scores['accuracy'])}, n={scores['n']:,})"
    return "\n".join(
        [
            "---",
            "library_name: flambeau",
            "tags: [flambeau, pytorch, onnx]",
            "---",
            f"# {_escaped(signature['name'])}",
            "",
            f"Answers one of {len(signature['labels'])} classes. Test accuracy {accuracy};"
            f' always answering "{_escaped(baseline["label"])}" gives {_number(baseline["accuracy"])}.',
            "",
            "## Use",
            "```",
            "flambeau predict model.flambeau new.jpg",
            "flambeau serve model.flambeau",
            "```",
            "`model.onnx` takes the encoded inputs below, batch axis first, and gives probabilities in the order of the classes;"
            " grayscale, denoising and standardising are inside.",
            "",
            "## Inputs",
            *inputs,
            "",
            "## Test",
            f"Scored once on the test split by the shipped runtime; {scores['level']:.0%} intervals.",
            "",
            "| score | value | interval | n |",
            "|---|---|---|---|",
            *rows,
            "",
            "| class | precision | recall | examples |",
            "|---|---|---|---|",
            *classes,
            "",
            "## Limits",
            "The scores hold for data like the test split. Classes that are not listed are never answered.",
            "",
            "## Made with",
            " · ".join(f"{name} {version}" for name, version in signature["versions"].items()),
            "",
        ]
    )


def _class_row(row: Mapping[str, Any]) -> str:
    return f"| {_escaped(row['label'])} | {_number(row['precision'])} | {_number(row['recall'])} | {row['support']:,} |"


def _shape(spec: Mapping[str, Any]) -> str:
    sizes = " x ".join(f"{axis} {'?' if size is None else size}" for axis, size in zip(spec["axes"], spec["shape"], strict=True))
    return f"{spec['dtype']}, {sizes}"


def _number(score: Mapping[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.4f}"


def _interval(score: Mapping[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['low']:.4f}-{score['high']:.4f}"


def _escaped(name: str) -> str:
    """A name that stays text in Markdown, HTML and a YAML block."""
    shown = printable(name)
    for character in "\\`*_{}[]<>()#+!|":
        shown = shown.replace(character, f"&#{ord(character)};")
    return shown
