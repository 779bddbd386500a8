"""The model card: README.md of an artifact, with the metadata block that model hubs read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from flambeau.evaluation.kinds import EVALUATIONS
from flambeau.inputs.input import Input
from flambeau.inputs.union import INPUTS
from flambeau.messages import printable

ANSWERS: Mapping[str, str] = MappingProxyType(
    {
        "classification": "Answers one of {n} classes.",
        "multi_label": "Answers any of {n} labels.",
        "regression": "Answers {n} number(s), in the unit of the data.",
        "ordinal": "Answers one of {n} classes in order.",
    }
)
"""What a model does, by its task."""
MOST_NAMED = 20
"""Numbers of an answer that are named."""
_MARKUP = re.compile(r"[\\`*_{}\[\]<>()#+!|&~$]")


def model_card(signature: Mapping[str, Any], scores: Mapping[str, Any]) -> str:
    """The signature and the test's scores -> Markdown."""
    baseline = signature["baseline"]
    kind = EVALUATIONS[signature["task"]]
    rows = [f"| {name} | {_number(scores[name])} | {_interval(scores[name])} | {scores[name]['n']:,} |" for name in kind.shown if name in scores]
    tables = [line for heads, cells in kind.card_tables(scores) for line in (*_table(heads, cells), "")]
    inputs = [f"- {escaped(name)}: {entry['type']}, encoded as {_shape(entry['spec'])}" for name, entry in signature["inputs"].items()]
    main = f"Test {kind.main} {_number(scores[kind.main])} ({_interval(scores[kind.main])}, n={scores['n']:,})"
    return "\n".join(
        [
            "---",
            "library_name: flambeau",
            "tags: [flambeau, pytorch, onnx]",
            "---",
            f"# {escaped(signature['name'])}",
            "",
            f"{ANSWERS[signature['task']].format(n=len(signature['answers']))} {main};"
            f' always answering "{escaped(baseline["label"])}" gives {_number(baseline[kind.main])}.',
            "",
            "## Use",
            "```",
            f"flambeau predict model.flambeau new{_ending([entry['type'] for entry in signature['inputs'].values()])}",
            "flambeau serve model.flambeau",
            "```",
            "`model.onnx` takes the encoded inputs below, batch axis first, and gives these numbers in order: "
            f"{', '.join(map(escaped, signature['answers'][:MOST_NAMED]))}{', ...' if len(signature['answers']) > MOST_NAMED else ''}."
            " All that comes before and after the network (standardising, probabilities, units) is inside.",
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
            *tables,
            "## Limits",
            "The scores hold for data like the test split.",
            "",
            "## Made with",
            " · ".join(f"{name} {version}" for name, version in signature["versions"].items()),
            "",
        ]
    )


def _ending(types: Sequence[str]) -> str:
    """The kinds of the inputs -> the ending of a file that the model can be asked about."""
    chosen = [one for one in INPUTS if one.kind() in types] if len(types) == 1 else []
    return chosen[0].file_ending if chosen else Input.file_ending


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; the first cell of each row is a name of the user's."""
    lines = [f"| {escaped(row[0])} | {' | '.join(row[1:])} |" for row in rows]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines]


def _shape(spec: Mapping[str, Any]) -> str:
    sizes = " x ".join(f"{axis} {'?' if size is None else size}" for axis, size in zip(spec["axes"], spec["shape"], strict=True))
    return f"{spec['dtype']}, {sizes}"


def _number(score: Mapping[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['value']:.4f}"


def _interval(score: Mapping[str, Any]) -> str:
    return "-" if score["value"] is None else f"{score['low']:.4f}-{score['high']:.4f}"


def escaped(name: str) -> str:
    """A name that stays text in Markdown, HTML and a YAML block, and that a reader of them sees as it is."""
    return _MARKUP.sub(lambda match: f"&#{ord(match.group())};", printable(name))
