"""Tables as people's spreadsheets write them: separators, currencies, days, codes, gaps, GBK. From the file to the answer."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as fb
from flambeau.model import Model
from flambeau.planning import Request, resolve

sys.path.insert(0, str(Path(__file__).parent))

from ejected import answered, in_torch

Verb = Callable[..., Any]
COLUMNS = ("编号", "面积", "单价", "首付", "签约", "邮编", "地铁", "总价")
GAPS = {3: "", 40: "NA", 77: "-"}
"""Rows without a price, and what stands there."""


def homes(size: int = 300) -> list[dict[str, str]]:
    random = np.random.default_rng(0)
    area, price = random.uniform(40, 200, size), random.uniform(5_000, 20_000, size)
    rows = []
    for row in range(size):
        total = GAPS.get(row, f"{area[row] * price[row]:,.0f}")
        day = f"2021年{1 + row % 12:02d}月{1 + row % 28:02d}日" if row % 2 else f"2021/{1 + row % 12}/{1 + row % 28}"
        cells = (
            f"FY{10_000 + row}",
            f"{area[row]:.1f}",
            f"¥{price[row]:,.2f}",
            f"{20 + row % 40}.5%",
            day,
            f"0{1 + row % 3}0000",
            "是否"[row % 2],
            total,
        )
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def written(path: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    path.write_text(text.getvalue(), encoding=encoding)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("homes")
    table = written(folder / "homes.csv", homes(), "gb18030")
    fitted = fb.fit(table, run=folder / "run", target="总价", epochs=25, settings=["data.encoding=gb18030"])
    assert fitted.test["r2"]["value"] > 0.8
    return fb.load(fitted.path)


def test_each_column_is_what_a_person_sees_in_it(tmp_path: Path) -> None:
    plan = resolve(Request(written(tmp_path / "homes.csv", homes()), target="总价"))
    kinds = {name: column.name for name, column in plan.recipe.inputs["table"].columns.items()}  # type: ignore[attr-defined]
    assert kinds == {"面积": "number", "单价": "number", "首付": "number", "签约": "date", "邮编": "category", "地铁": "boolean"}
    assert plan.recipe.task is not None and plan.recipe.task.type == "regression", "gaps do not make a class of each price"
    assert [(notice.code, notice.facts["columns"]) for notice in plan.notices] == [("columns-identify", "编号")]
    said = plan.recipe.inputs["table"].describe()
    assert said == ["number 面积, 单价, 首付", "date 签约", "category 邮编", "boolean 地铁"]


def test_a_code_is_kept_where_a_person_says_so_or_nothing_else_is_there(tmp_path: Path) -> None:
    table = written(tmp_path / "homes.csv", homes())
    assert set(resolve(Request(table, target="总价", inputs=("编号:text",))).recipe.inputs) == {"table", "编号"}
    only = written(tmp_path / "only.csv", [{"编号": row["编号"], "总价": row["总价"]} for row in homes()])
    assert set(resolve(Request(only, target="总价")).recipe.inputs) == {"编号"}
    beside = written(
        tmp_path / "beside.csv", [{name: row[name] for name in ("编号", "总价")} | {"比分": f"{place}/{place}"} for place, row in enumerate(homes())]
    )
    assert set(resolve(Request(beside, target="总价")).recipe.inputs) == {"编号"}, "a column that nothing reads is no other input"


def test_codes_of_several_forms_or_that_come_twice_say_something(tmp_path: Path) -> None:
    rows = [{**row, "编号": ("BJ" if place % 2 else "SHH") + row["编号"]} for place, row in enumerate(homes())]
    assert "编号" in resolve(Request(written(tmp_path / "forms.csv", rows), target="总价")).recipe.inputs
    twice = [{**row, "编号": f"person {place // 2}"} for place, row in enumerate(homes())]
    assert "编号" in resolve(Request(written(tmp_path / "twice.csv", twice), target="总价")).recipe.inputs


def test_the_same_answers_from_a_file_of_either_encoding_from_mappings_and_from_a_frame(run: Model, tmp_path: Path) -> None:
    rows = homes()[:5]
    as_gbk = run.predict(run.rows(written(tmp_path / "gbk.csv", rows, "gb18030")))
    assert as_gbk == run.predict(run.rows(written(tmp_path / "utf8.csv", rows)))
    assert as_gbk == run.predict(rows)
    polars = pytest.importorskip("polars")
    assert as_gbk == run.predict(polars.DataFrame(rows))


def test_an_encoding_is_guessed_in_words_only(flambeau: Verb, tmp_path: Path) -> None:
    error = flambeau("check", written(tmp_path / "gbk.csv", homes(), "gb18030"), "--target", "总价", "--json").error
    assert error["code"] == "table-encoding"
    assert error["fix"].endswith("data.encoding=gb18030")
    western = [{"text": f"café no {row}", "label": str(row % 2)} for row in range(40)]
    error = flambeau("check", written(tmp_path / "western.csv", western, "cp1252"), "--json").error
    assert error["fix"].endswith("data.encoding=cp1252")
    error = flambeau("check", written(tmp_path / "gbk.csv", homes(), "gb18030"), "--target", "总价", "--set", "data.encoding=euc-kr", "--json").error
    assert error["code"] == "table-encoding-other"


def test_a_misspelt_column_is_not_left_out_in_silence(flambeau: Verb, tmp_path: Path) -> None:
    error = flambeau("check", written(tmp_path / "homes.csv", homes()), "--target", "总价", "--exclude", "编码", "--json").error
    assert error["code"] == "column-unknown"
    assert "编号" in error["message"]


def test_names_are_no_classes(flambeau: Verb, tmp_path: Path) -> None:
    outcome = flambeau("check", written(tmp_path / "homes.csv", homes()), "--target", "编号", "--json")
    assert outcome.error["code"] == "classes-too-small"
    assert len(outcome.error["message"]) < 300, "ten names are enough"


def test_of_a_column_that_is_misread_nobody_is_told_to_allow_it_all(flambeau: Verb, tmp_path: Path) -> None:
    rows = [{**row, "编号": str(place) if place % 20 == 0 else row["编号"]} for place, row in enumerate(homes())]
    error = flambeau("check", written(tmp_path / "homes.csv", rows), "--target", "总价", "--input", "编号:number", "--json").error
    assert error["code"] == "data-mostly-bad"
    assert "--max-bad" not in error["fix"]


def test_equal_rows_may_have_different_numbers(tmp_path: Path) -> None:
    rows = [{"a": str(row % 7), "b": str(row % 3), "price": f"{row % 7 + row / 100:.2f}"} for row in range(120)]
    codes: list[str] = []
    fb.check(written(tmp_path / "rows.csv", rows), target="price", show=lambda event: codes.append(getattr(event, "code", "")))
    assert "labels-contradict" not in codes


def test_plain_files_read_the_same_cells(run: Model, tmp_path: Path) -> None:
    fb.eject(run.path, tmp_path / "plain", show=fb.silent)
    table = written(tmp_path / "gbk.csv", homes()[:5], "gb18030")
    assert answered(tmp_path / "plain", table) == in_torch(run.path, run.rows(table))


def test_a_recipe_of_ours_finds_the_column_that_it_is_for(tmp_path: Path) -> None:
    rows = [{"评论": f"{'房间早餐'[row % 3]}{'很好' if row % 2 else '太差'}，第{row}次", "情感": "坏好"[row % 2]} for row in range(60)]
    plan = resolve(Request(written(tmp_path / "reviews.csv", rows), Path("best_texts"), target="情感"))
    assert set(plan.recipe.inputs) == {"评论"}
