"""Writes the report: the facts as report.json, and the page that is made from them."""

from __future__ import annotations

import json
from pathlib import Path

from flambeau.evaluation.facts import ReportFacts, as_json, read_facts
from flambeau.evaluation.page import page
from flambeau.storage import write_atomically

__all__ = ["ReportFacts", "read_facts", "write_report"]


def write_report(facts: ReportFacts, path: Path) -> None:
    """Facts -> an HTML page at `path` (report.html), and beside it the same facts as JSON (report.json).

    The page is made from what was written to the JSON, so ``write_report(read_facts(json), html)`` makes it again.

    Raises:
        DeviceError: the disk is full or the folder cannot be written.
    """
    told = path.with_suffix(".json")
    write_atomically(told, json.dumps(as_json(facts), allow_nan=False, separators=(",", ":")).encode())
    write_atomically(path, page(read_facts(told)).encode())
