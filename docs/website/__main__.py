"""Build the documentation site, or check it.

python docs/website build [-o FOLDER]
python docs/website check [-o FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from building import SiteError, build
from checks import check
from sitemap import ROOT


def main() -> int:
    """Build, and check if that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=("build", "check"))
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "build" / "site")
    options = parser.parse_args()
    begun = time.monotonic()
    try:
        built = build(options.out)
    except SiteError as error:
        print(f"docs: {error}", file=sys.stderr)
        return 2
    state = f"built in {time.monotonic() - begun:.1f} s" if built else "as it was"
    print(f"{options.out}: {state}")
    if options.action == "check":
        faults = check(options.out)
        for fault in faults:
            print(f"docs: {fault}", file=sys.stderr)
        return 1 if faults else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
