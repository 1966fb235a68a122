"""Peak memory of a step for every official size: measured where it fits, else computed.

    python benchmarks/memory.py [--sizes tiny base ...] [--below GB] [--json FILE] [--into FILE]

Each figure is of a step in a process of its own, on random weights and rows of the longest text,
moments of the optimiser included. With --learn terms every row has a second text, which half of the
rows have by default. What needs more than --below gigabytes is computed only.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.amp import GradScaler
from whisper.model import Whisper

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.loader import Batch
from whisper_ft.evaluation.tables import insert_table
from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loading import load_dims
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.memory_estimate import RUNTIME_BYTES
from whisper_ft.models.parameters import set_trained
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.out_of_memory import keep_freed_memory
from whisper_ft.training.capacity import pass_bytes
from whisper_ft.training.optimizer import make_optimizer
from whisper_ft.training.step import train_step
from whisper_ft.training.teacher import make_teacher

TEXTS = TrainConfig(contrast=0.0).with_recipe(has_terms=False)
SETTINGS = {
    "`--learn terms`": TrainConfig().with_recipe(has_terms=True),
    "`texts`": TEXTS,
    "`texts --gradient-checkpointing`": replace(TEXTS, gradient_checkpointing=True),
    "`texts --freeze-encoder`": replace(TEXTS, freeze_encoder=True),
}
MARK = "<!-- memory -->"


def longest_batch(config, dims, n_rows):
    """Rows of the longest text, half of it learned, as the loader makes them."""
    n_texts = n_rows * config.max_texts_per_row
    tokens = torch.zeros(n_texts, dims.n_text_ctx, dtype=torch.long)
    targets = tokens.clone()
    targets[:, dims.n_text_ctx // 2 :] = -100
    weights = torch.ones(tokens.shape) if config.kl_weight else None
    return Batch(
        torch.zeros(n_rows, dims.n_mels, 3000),
        tokens,
        targets,
        ("row",) * n_rows,
        text_rows=torch.arange(n_texts) % n_rows if n_texts > n_rows else None,
        weights=weights,
        teacher_weights=weights,
        learns_kind=None if weights is None else weights.bool(),
    )


def measure(size, name, n_rows):
    """Bytes that a process takes at most for a step; run in one of its own."""
    dims, config = load_dims(size), SETTINGS[name]
    if device.type == "cpu":
        keep_freed_memory()
    with device:
        model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.01)  # whisper leaves it as is
    model.to(device)
    teacher = make_teacher(model, config, device, amp)
    use_fast_layers(model)
    set_trained(model, config.trained)
    if config.gradient_checkpointing:
        use_activation_checkpointing(model)
    optimizer = make_optimizer(model, 1e-5)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # now there are moments
    batch = longest_batch(config, dims, n_rows).to(device)
    scaler = GradScaler(device.type, enabled=fp16)
    train_step(PromptedLoss(model, teacher), [batch], optimizer, scaler, amp)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def figure(size, name, n_rows):
    """What is said of a size under a setting: bytes, computed and, where it fits, measured."""
    computed = pass_bytes(SETTINGS[name], amp, load_dims(size), n_rows=n_rows)
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
