"""Puts the original's version of `benchmarks/app` into a folder and installs its dependencies, with Node itself.

python -m benchmarks.original FOLDER

Needs npm and a registry. Then `ORIGINAL_APP=FOLDER` has every benchmark measure the original too.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

APP = Path(__file__).with_name("app")
NODE = "node_modules/.bin/node"
OLDEST_NODE = (22, 19)


def main() -> None:
    """Install, and say how to go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.absolute()
    if shutil.which("npm") is None:
        sys.exit("npm is not installed")
    shutil.copytree(APP, folder, dirs_exist_ok=True)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=folder, check=True)
    version = subprocess.run([folder / NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        sys.exit(f"{folder / NODE} is {version}, which is too old for the original")
    print(f"\nNode {version} is installed in {folder}. Now:\n\n    ORIGINAL_APP={folder} scripts/bench kafka")


if __name__ == "__main__":
    main()
