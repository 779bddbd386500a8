"""Writes a table of real measurements: 178 wines out of scikit-learn, with a date and a word beside their 13 numbers.

python examples/tables/make_table.py wine.csv
"""

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

from sklearn.datasets import load_wine

wines = load_wine()
with Path(sys.argv[1]).open("w", newline="", encoding="utf-8") as file:
    rows = csv.writer(file)
    rows.writerow([*wines.feature_names, "bottled", "cork", "grower"])
    for number, (measures, grower) in enumerate(zip(wines.data, wines.target, strict=True)):
        known = ["" if number % 17 == 0 and place == 1 else f"{value:g}" for place, value in enumerate(measures)]
        rows.writerow([*known, date(2025, 3, 1) + timedelta(days=number % 40), ("natural", "glass", "screw")[number % 3], f"grower {grower + 1}"])
