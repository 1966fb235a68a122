"""Peak memory of a step for every official size: measured where it fits, else computed.

    python benchmarks/memory.py [--sizes tiny base ...] [--below GB] [--json FILE] [--into FILE]

Each figure is of a step in a process of its own, on random weights and rows of the longest text,
moments of the optimiser included. What needs more than --below gigabytes is computed only.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch
from torch.amp import GradScaler
from whisper.model import Whisper

from whisper_ft.data.loader import Batch
from whisper_ft.evaluation.tables import insert_table
from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loading import load_dims
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.memory_estimate import RUNTIME_BYTES, estimate_peak_bytes
from whisper_ft.models.parameters import freeze_encoder
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.out_of_memory import keep_freed_memory
from whisper_ft.training.optimizer import make_optimizer
from whisper_ft.training.step import train_step

SETTINGS = {
    "all weights": {},
    "--gradient-checkpointing": {"gradient_checkpointing": True},
    "--freeze-encoder": {"frozen_encoder": True},
}
MARK = "<!-- memory -->"


def measure(size, name, n_rows):
    """Bytes that a process takes at most for a step; run in one of its own."""
    dims = load_dims(size)
    if device.type == "cpu":
        keep_freed_memory()
    with device:
        model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.01)  # whisper leaves it as is
    model.to(device)
    use_fast_layers(model)
    if "frozen_encoder" in SETTINGS[name]:
        freeze_encoder(model)
    if "gradient_checkpointing" in SETTINGS[name]:
        use_activation_checkpointing(model)
    optimizer = make_optimizer(model, 1e-5)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # now there are moments
    tokens = torch.zeros(n_rows, dims.n_text_ctx, dtype=torch.long)
    targets = tokens.clone()
    targets[:, dims.n_text_ctx // 2 :] = -100
    batch = Batch(torch.zeros(n_rows, dims.n_mels, 3000), tokens, targets, ("row",) * n_rows)
    train_step(PromptedLoss(model), [batch], optimizer, GradScaler(device.type, enabled=fp16), amp)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def figure(size, name, n_rows):
    """What is said of a size under a setting: bytes, computed and, where it fits, measured."""
    computed = estimate_peak_bytes(load_dims(size), n_rows, amp_dtype=amp, **SETTINGS[name])
    computed += RUNTIME_BYTES if device.type == "cpu" else 0
    found = {"size": size, "setting": name, "rows": n_rows, "computed": int(computed)}
    if computed < args.below * 1e9:
        command = [sys.executable, *sys.argv, f"--worker={json.dumps([size, name, n_rows])}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found["measured"] = int(done.stdout)
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def table(figures):
    columns = [(name, n) for name in SETTINGS for n in args.rows]
    held = {(f["size"], f["setting"], f["rows"]): f for f in figures}
    lines = [
        "| | " + " | ".join(f"{name}, {n} row{'s' * (n > 1)}" for name, n in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for size in dict.fromkeys(f["size"] for f in figures):
        cells = []
        for name, n in columns:
            one = held[size, name, n]
            computed = f"*{one['computed'] / 1e9:.1f}*"
            cells.append(f"{one['measured'] / 1e9:.1f}" if "measured" in one else computed)
        lines.append(f"| `{size}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "--sizes", nargs="+", default=["tiny", "base", "small", "medium", "large-v3", "turbo"]
)
parser.add_argument("--rows", nargs="+", type=int, default=[1, 8], help="batch sizes")
parser.add_argument("--below", type=float, default=18.0, help="gigabytes to measure up to")
parser.add_argument("--amp", default="auto")
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--json", default="")
parser.add_argument("--show", default="", help="figures that --json wrote, instead of new ones")
parser.add_argument("--into", default="", help="document whose table is replaced")
parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
args = parser.parse_args()

torch.set_num_threads(args.threads)
device = pick_device(args.device)
amp = pick_amp(args.amp, device)
fp16 = amp == torch.float16
if args.worker:
    print(measure(*args.worker))
    sys.exit()
if args.show:
    figures = json.loads(Path(args.show).read_text(encoding="utf-8"))
else:
    figures = [figure(s, name, n) for s in args.sizes for name in SETTINGS for n in args.rows]
if args.json:
    Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
print(table(figures))
if args.into:
    document = Path(args.into)
    text = insert_table(document.read_text(encoding="utf-8"), table(figures), MARK)
    document.write_text(text, encoding="utf-8")
