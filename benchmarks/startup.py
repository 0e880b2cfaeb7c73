"""Start-up, first answer, memory and ``coterie --help``: ``python -m benchmarks.startup [--json]``.

Each figure is the median of several fresh processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from benchmarks.server import running_server

HEAVY = ("torch", "ray", "vllm")


def help_seconds() -> float:
    start = time.perf_counter()
    coterie = str(Path(sys.executable).with_name("coterie"))
    subprocess.run([coterie, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def heavy_imports() -> list[str]:
    script = (
        "import sys\n"
        "sys.argv = ['coterie', '--help']\n"
        "from serving.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"sys.stderr.write(','.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [name for name in run.stderr.split(",") if name]


def resident_mib(pid: int) -> float:
    """Resident memory of a process and of its children, MiB (Linux)."""
    total = 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            total += int(line.split()[1]) / 1024
    return total + sum(resident_mib(int(child)) for child in children)


def ask(client: httpx.Client, text: str) -> float:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    start = time.perf_counter()
    client.post("/v1/chat/completions", json=body).raise_for_status()
    return time.perf_counter() - start


def one_server() -> dict[str, float]:
    with (
        running_server("configs/minis.yaml") as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        first = ask(client, "What is 17 plus 25?")
        later = [ask(client, f"What is {n} plus {n + 8}?") for n in range(10, 40)]
        return {
            "ready_s": server.ready_seconds,
            "first_answer_ms": 1e3 * first,
            "later_answer_ms": 1e3 * statistics.median(later),
            "resident_mib": resident_mib(server.pid),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    runs = [one_server() for _ in range(args.runs)]
    result: dict[str, object] = {k: statistics.median(r[k] for r in runs) for k in runs[0]}
    result["help_s"] = statistics.median(help_seconds() for _ in range(5))
    result["help_imports"] = heavy_imports()
    if args.json:
        print(json.dumps(result))
        return 0
    asked = {
        "ready_s": "under 20",
        "first_answer_ms": "under 300",
        "resident_mib": "at most 2048",
        "help_s": "under 0.3",
        "help_imports": "neither torch nor ray nor vllm",
    }
    for name, value in result.items():
        shown = f"{value:.2f}" if isinstance(value, float) else value
        print(f"{name:18} {shown!s:>10}   asked: {asked.get(name, '-')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
