"""The words of a recipe under `data:`. What they mean is done in source.py, cleaning.py and split.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flambeau.choice import problem
from flambeau.config import Config

Share = Annotated[float, Field(gt=0, lt=1)]
Encoding = Literal["gb18030", "gbk", "big5", "shift_jis", "euc-jp", "euc-kr", "cp1250", "cp1251", "cp1252", "iso-8859-15", "utf-16-le", "utf-16-be"]
"""What people's programs write beside UTF-8."""


class SplitConfig(Config):
    """How the examples are shared out. A split that the data brings (folders, keys, a column) goes before the shares."""

    train: Share = 0.7
    """Share of the examples that the network learns from."""
    valid: Share = 0.15
    """Share by which the best epoch is chosen."""
    test: Share = 0.15
    """Share that is looked at once, at the very end. The three shares add up to 1."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Another seed is another split."""
    group: str | None = None
    """Column whose equal values (one person, one patient, one day) stay together in one split."""
    column: str | None = None
    """Column that says the split of each example: train, valid or test (val and validation are read too)."""
    order: str | None = None
    """Column of numbers or dates by which the examples are shared out: the first to train, the last to test. It is no input. Of series
    that are cut it is their time, and windows that overlap the split before them are left out."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        said = [name for name in ("group", "column", "order") if getattr(self, name) is not None]
        if "order" in said and len(said) > 1:
            raise problem("split-several", names=", ".join(said))
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-6:
            raise problem("split-shares", total=round(total, 6))
        return self


class SeriesConfig(Config):
    """How a long table, with one row for each time, becomes series."""

    id: str | None = None
    """Column that names the series of a row; null: all rows are one series."""
    time: str
    """Column by which the rows of a series are sorted: numbers, or ISO 8601 dates."""
    window: int | None = Field(None, ge=1, le=10_000_000)
    """Cut each series into windows of so many times; null takes it whole."""
    step: int | None = Field(None, ge=1, le=10_000_000)
    """Times from the start of one window to the next one's; null: windows do not overlap."""
    channels: tuple[str, ...] | None = Field(None, min_length=1)
    """Columns of measurements, in their order. Left open: all that hold numbers and are nothing else."""


class DataConfig(Config):
    """Where the examples are and which of them are used. One of folder, table and arrays, or none if the command line names the data."""

    folder: Path | None = None
    """Folder with one sub-folder for each class, or with train, valid and test folders that hold the class folders."""
    table: Path | None = None
    """CSV file with a header, JSON lines (.jsonl) or Parquet; cells that name files are relative to it."""
    encoding: Encoding | None = None
    """Of a CSV file that is neither UTF-8 nor UTF-16 with a byte order mark: gb18030 (GBK), big5, cp1252, ... The same for files that
    are predicted."""
    arrays: Path | None = None
    """NumPy .npz file: one array for each column (x, y), or for each column and split (x_train, y_train, x_test, y_test)."""
    series: SeriesConfig | None = None
    """For a table with one row for each time of a series; null: a row is an example."""
    exclude_classes: tuple[str, ...] = ()
    """Classes that are left out."""
    exclude_columns: tuple[str, ...] = ()
    """Columns that are not looked at."""
    max_bad: float = Field(0.01, ge=0, le=1)
    """The largest share of examples that may be unusable; with more the run stops."""
    blank: Literal["drop", "keep"] = "drop"
    """What becomes of examples with nothing in them (one colour, silence)."""
    near_duplicates: Literal["together", "drop", "ignore"] = "together"
    """Examples that look alike: kept in one split, or one kept of each set, or not looked for."""
    split: SplitConfig = SplitConfig()
    """How the examples are shared out."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in ("folder", "table", "arrays") if getattr(self, name) is not None]
        if len(given) > 1:
            names = ", ".join(given)
            raise problem("data-several", names=names)
        return self
