"""Tables that a Debian package carries (r-cran-mlbench), as CSV files with the column that is predicted last.

python benchmarks/table_data.py FOLDER [NAME ...]

letter_recognition.csv  20,000 letters by 16 measures of their picture      (target lettr)
satellite.csv           6,435 pixels of a satellite's pictures by 36 values  (target classes)
vehicle.csv             846 silhouettes of vehicles by 18 measures           (target Class)
boston_housing.csv      506 places by 13 properties, a price in 1,000 dollars (target medv)
house_votes.csv         435 members of a parliament by 16 votes, many missing (target Class)

R's files are read by pyreadr in an environment of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from peers import environment

NAMES = {
    "letter_recognition": ("LetterRecognition", "lettr"),
    "satellite": ("Satellite", "classes"),
    "vehicle": ("Vehicle", "Class"),
    "boston_housing": ("BostonHousing", "medv"),
    "house_votes": ("HouseVotes84", "Class"),
}
"""File -> the name of the data in the package, and its target."""
READ = """
import sys, pyreadr
[frame] = pyreadr.read_r(sys.argv[1]).values()
target = sys.argv[3]
frame[[*(name for name in frame.columns if name != target), target]].to_csv(sys.argv[2], index=False)
"""


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("folder", type=Path)
    words.add_argument("names", nargs="*", default=list(NAMES))
    asked = words.parse_args()
    for path in write(asked.folder, *asked.names):
        print(path)


def write(folder: Path, *names: str) -> list[Path]:
    """Writes the tables that are not there yet; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv" for name in names]
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return paths
    python, reason = environment("tables", [["pyreadr", "pandas"]], "import pyreadr", with_ours=False)
    if python is None:
        raise SystemExit(f"pyreadr cannot be had here: {reason}")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        subprocess.run(["apt-get", "download", "--quiet", "r-cran-mlbench"], cwd=scratch, check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["dpkg-deb", "-x", str(next(Path(scratch).glob("*.deb"))), scratch], check=True)
        for path in missing:
            name, target = NAMES[path.stem]
            [source] = Path(scratch).rglob(f"{name}.rda")
            subprocess.run([python, "-c", READ, source, Path(scratch) / path.name, target], check=True)
            (Path(scratch) / path.name).rename(path)
    return paths


if __name__ == "__main__":
    main()
