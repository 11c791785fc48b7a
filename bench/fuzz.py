"""What any bytes do to whoever takes them: batches, receipts, answers, bundles and site files, guided by coverage.

    python bench/fuzz.py [--quick] [--json] [--only batch|receipt|answer|bundle|site] [--inputs N] [--corpus FOLDER]

The targets and their seeds are those of ``tests/fuzz``. Needs ``atheris`` (``pip install atheris``), which is not
in the locks because it has wheels for few machines; without it nothing is done, in plain words. Each target runs in
a process of its own; a crash, an input of more than 10 s, or more than 1 GiB of memory ends it with exit 1, and
the input is kept in the folder that is named.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from process import PROFILES
from report import Figure, option, run

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("", "contract", "edge", "cloud", "simulators")]
INPUTS, INPUTS_QUICK = 1_000_000, 2_000
MEMORY_MB, SLOWEST_S, LONGEST_BYTES = 1024, 10, 16 * 1024
_DONE = re.compile(r"Done (\d+) runs? in (\d+) second")
_COVERED = re.compile(r"cov: (\d+)")
_RESIDENT = re.compile(r"rss: (\d+)Mb")
CHOSEN = {"only": option("--only", ""), "inputs": option("--inputs", ""), "corpus": option("--corpus", "")}


def one(name: str, inputs: int, corpus: Path) -> None:
    """Be the process that is fed; does not return."""
    import atheris

    with atheris.instrument_imports(include=["haihe_contract", "haihe_cloud", "haihe_edge"]):
        from tests.fuzz.targets import TARGETS
    target, seeds = TARGETS[name]
    words: set[bytes] = set()
    for at, data in enumerate(seeds()):
        (corpus / f"seed{at}").write_bytes(data)
        words |= set(re.findall(rb"[a-z_]{3,24}:?|- |\n +", data)) if name == "site" else set()
    beside = corpus.with_name(f"{name}.words")
    beside.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in sorted(words)))
    limits = [f"-runs={inputs}", f"-rss_limit_mb={MEMORY_MB}", f"-timeout={SLOWEST_S}", f"-max_len={LONGEST_BYTES}"]
    kept = f"-artifact_prefix={corpus}/found-"
    limits += [f"-dict={beside}"] if words else []
    atheris.Setup([sys.argv[0], *limits, kept, str(corpus)], target, enable_python_coverage=True)
    atheris.Fuzz()


def measure(quick: bool) -> Iterator[Figure]:  # noqa: FBT001 - told by report.run
    """Every target in turn."""
    if find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris; nothing was fuzzed", file=sys.stderr)
        return
    inputs = int(CHOSEN["inputs"]) if CHOSEN["inputs"] else INPUTS_QUICK if quick else INPUTS
    kept = Path(CHOSEN["corpus"]) if CHOSEN["corpus"] else Path(tempfile.mkdtemp(prefix="haihe-fuzz-"))
    fault = ""
    for name in [CHOSEN["only"]] if CHOSEN["only"] else ["batch", "receipt", "answer", "bundle", "site"]:
        corpus = kept / name
        corpus.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        command = [sys.executable, __file__, "--be", name, str(inputs), str(corpus)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=_environment())
        took, told = time.monotonic() - began, done.stderr
        ran = int(found[1]) if (found := _DONE.search(told)) else 0
        yield Figure(f"{name}_inputs", ran, "inputs", inputs, "wanted")
        yield Figure(f"{name}_per_second", ran / took, "inputs a second")
        yield Figure(f"{name}_covered", max(map(int, _COVERED.findall(told)), default=0), "edges reached")
        yield Figure(f"{name}_rss_mb", max(map(int, _RESIDENT.findall(told)), default=0), f"MB ({MEMORY_MB} at most)")
        yield Figure(f"{name}_faults", int(done.returncode != 0), "faults")
        if done.returncode:
            fault = f"{name}: see {corpus}/found-*\n{told.split('Using built-in')[-1][-4000:]}"
            break
    if fault:
        raise SystemExit(fault)


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "HAIHE_PROFILES": str(PROFILES)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--be"]:
        one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    run("what any bytes do to whoever takes them", measure)
