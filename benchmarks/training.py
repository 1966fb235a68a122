"""Steps of training against Hugging Face's Seq2SeqTrainer and the loop that most people write.

    python benchmarks/training.py [--model tiny.en] [--batch-size 8] [--rounds 7] [--ways ...]

Each way trains in a process of its own, from the same weights on the same batches, and they take
turns step by step: a machine that slows down slows all of them, and none pays for what another
keeps in memory. A large matrix product, timed in every round, tells what the machine can do.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch.amp import GradScaler
from torch.optim import AdamW
from whisper.model import Whisper

from whisper_ft.config.train import SAMPLE, TrainConfig
from whisper_ft.data.dataset import Examples
from whisper_ft.data.loader import collate
from whisper_ft.data.prompts import parse_policy
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.models.loading import load, load_dims, vocabulary_from_dims
from whisper_ft.models.loss import PromptedLoss, encode
from whisper_ft.models.parameters import set_trained
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.out_of_memory import keep_freed_memory
from whisper_ft.text.tokens import IGNORE
from whisper_ft.training.optimizer import (
    BETAS,
    EPS,
    MAX_GRAD_NORM,
    WEIGHT_DECAY,
    make_optimizer,
    parameter_groups,
)
from whisper_ft.training.step import train_step
from whisper_ft.validation.checks import usable_rows

LR = 1e-5


def ours(model, batches, done):
    """whisper_ft's step, with the model and memory as it prepares them."""
    use_fast_layers(model)
    if device.type == "cpu":
        keep_freed_memory()
    optimizer, scaler = make_optimizer(model, LR), GradScaler(device.type, enabled=fp16)
    for batch in batches:
        done(train_step(PromptedLoss(model), [batch], optimizer, scaler, amp).loss)


def cached(model, batches, done):
    """The same from the second epoch on with a feature cache: the encoder's output is known."""
    known = []
    for batch in batches:
        with torch.no_grad(), torch.autocast(device.type, dtype=amp, enabled=amp is not None):
            features = torch.cat([encode(model.encoder, mel[None].to(device)) for mel in batch.mel])
        known.append(replace(batch, mel=None, features=features.cpu().half()))
    ours(model, known, done)


def before(model, batches, done):
    """All weights trained, by stock layers and optimiser: this project before its speed-ups."""
    model.requires_grad_(True)
    optimizer = AdamW(parameter_groups(model, WEIGHT_DECAY), lr=LR, betas=BETAS, eps=EPS)
    loss, scaler = PromptedLoss(model), GradScaler(enabled=False)
    for batch in batches:
        done(train_step(loss, [batch], optimizer, scaler, amp).loss)


def plain(model, batches, done):
    """openai-whisper's forward, all logits, cross_entropy."""

    def loss_of(batch):
        logits = model(batch.mel, batch.tokens)
        return F.cross_entropy(logits.transpose(1, 2), batch.targets, ignore_index=IGNORE)

    _loop(model, batches, done, loss_of)


def hf_loop(model, batches, done):
    """The same loop around transformers' model."""
    from peers import as_theirs, inputs_of

    theirs = as_theirs(model, frozen=args.freeze_encoder)
    _loop(theirs, batches, done, lambda batch: theirs(**inputs_of(batch)).loss)


def hf_trainer(model, batches, done):
    """Seq2SeqTrainer with the optimiser that it takes by itself."""
    from peers import as_theirs, run_trainer

    run_trainer(
        as_theirs(model, frozen=args.freeze_encoder),
        batches,
        done,
        learning_rate=LR,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        adam_epsilon=EPS,
        weight_decay=WEIGHT_DECAY,
        max_grad_norm=MAX_GRAD_NORM,
        bf16=amp == torch.bfloat16,
        fp16=fp16,
    )


def _loop(model, batches, done, loss_of):
    optimizer = AdamW(parameter_groups(model, WEIGHT_DECAY), lr=LR, betas=BETAS, eps=EPS)
    scaler = GradScaler(device.type, enabled=fp16)
    model.train()
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=amp, enabled=amp is not None):
            loss = loss_of(batch.to(device))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        scaler.step(optimizer)
        scaler.update()
        done(loss.item())


def read_batches():
    """A batch of visits for each round, with prompts and timestamps as training draws them."""
    here = vocabulary_from_dims(load_dims(args.model))
    rows = usable_rows([args.manifest], [here], language="en", task="transcribe")[args.manifest]
    examples = Examples(
        rows,
        parse_policy(TrainConfig.prompts, TrainConfig.distractors),
        here.tokenizer,
        n_mels=load_dims(args.model).n_mels,
        n_text_ctx=here.n_text_ctx,
        timestamp_rate=TrainConfig.timestamp_rate,
        seed=0,
    )
    chance = random.Random(0)
    for turn in range(args.rounds + 1):
        chosen = chance.sample(range(len(rows)), args.batch_size)
        yield collate([examples[ExampleIndex(turn, row)] for row in chosen])


def work(name):
    """In a process of its own: a step whenever a line comes, then what it took."""
    model = (random_model() if args.random else load(args.model).model).to(device)
    if args.freeze_encoder:
        set_trained(model, "decoder")
    batches = list(read_batches())
    began = [0.0]

    def done(loss):
        if device.type == "cuda":
            torch.cuda.synchronize()
        tell(seconds=time.perf_counter() - began[0], loss=loss, memory=peak_bytes())
        wait()

    def wait():
        if not sys.stdin.readline():
            sys.exit()
        began[0] = time.perf_counter()

    tell(
        n_targets=statistics.mean(b.n_targets for b in batches),
        n_tokens=statistics.mean(b.tokens.numel() for b in batches),
    )
    wait()
    WAYS[name](model, batches, done)


def random_model():
    torch.manual_seed(0)
    model = Whisper(load_dims(args.model))
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.01)  # whisper leaves it as is
    return model


def tell(**facts):
    print(json.dumps(facts), file=told, flush=True)


def peak_bytes():
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def flops_of_row(name, n_tokens, n_targets):
    """Floating-point operations that the products of one row's step need, without recomputing."""
    passes = {"cached": 0, "before": 3}.get(name, 1 if args.freeze_encoder else 3)
    d = load_dims(args.model)
    n, width = d.n_audio_ctx, d.n_audio_state
    convolutions = 2 * 3 * width * (2 * n * d.n_mels + n * width)
    encoder = convolutions + d.n_audio_layer * (24 * n * width**2 + 4 * n**2 * width)
    width = d.n_text_state
    layer = n_tokens * (28 * width**2 + 4 * n * width + 2 * n_tokens * width) + 4 * n * width**2
    decoder = d.n_text_layer * layer + 2 * n_targets * width * d.n_vocab
    return passes * encoder + 3 * decoder


def matmul_rate():
    """Operations a second of a large product in the dtype of training."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=amp or torch.float32)
    a @ a
    began = time.perf_counter()
    a @ a
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 2 * size**3 / (time.perf_counter() - began)


def compare():
    """Give every way its turns, and tell what they took."""
    command = [sys.executable, *sys.argv, "--way"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = {name: subprocess.Popen([*command, name], **pipes) for name in args.ways}
    facts = {name: json.loads(worker.stdout.readline()) for name, worker in workers.items()}
    steps = {name: [] for name in workers}
    rates = []
    for turn in range(args.rounds + 1):
        rates.append(matmul_rate())
        names = list(workers)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            print("go", file=workers[name].stdin, flush=True)
            steps[name].append(json.loads(workers[name].stdout.readline()))
        seen = (f"{name} {steps[name][-1]['seconds']:.2f}" for name in names)
        print(f"round {turn}: {', '.join(seen)} s", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    show(facts[args.ways[0]], steps, statistics.median(rates))


def show(facts, steps, rate):
    size, first = args.batch_size, args.ways[0]
    lengths = facts["n_tokens"] / size, facts["n_targets"] / size
    needed = flops_of_row(first, *lengths)
    precision = str(amp or torch.float32).removeprefix("torch.")
    print(
        f"{args.model}{', random weights' * args.random}{', frozen encoder' * args.freeze_encoder}"
        f", {precision} on {device}, batch {size}, {args.threads} threads, {args.rounds} rounds "
        f"after one to warm up; a row needs {needed / 1e9:.0f} GFLOP and the machine multiplies at "
        f"{rate / 1e9:.0f} GFLOP/s: {first} cannot do more than {rate / needed:.2f} rows/s\n\n"
        f"| way | rows/s | tokens/s | {first} is so much faster | of the matmul rate | peak memory "
        "| share of it | loss, first and last |\n|---|---:|---:|---:|---:|---:|---:|---|"
    )
    for name, taken in steps.items():
        seconds = [step["seconds"] for step in taken[1:]]
        ratios = [s / f["seconds"] for s, f in zip(seconds, steps[first][1:], strict=True)]
        speed = size / statistics.median(seconds)
        memory = [steps[way][-1]["memory"] for way in (name, first)]
        losses = [taken[i]["loss"] for i in (0, -1)]
        print(
            f"| {name} | {speed:.2f} | {speed * facts['n_targets'] / size:.0f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | "
            f"{speed * flops_of_row(name, *lengths) / rate:.0%} | "
            f"{memory[0] / 1e9:.2f} GB | {memory[1] / memory[0]:.2f} | "
            f"{'' if None in losses else ', '.join(f'{loss:.4f}' for loss in losses)} |"
        )


PEERS = {"hf_trainer": hf_trainer, "hf_loop": hf_loop, "plain": plain}
WAYS = {"ours": ours, **PEERS, "cached": cached, "before": before}

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", default="tiny.en", help="official size, or tiny.en's weights")
parser.add_argument("--random", action="store_true", help="random weights of that size")
parser.add_argument("--manifest", default=str(SAMPLE / "train.jsonl"))
parser.add_argument("--batch-size", type=int, default=8)
parser.add_argument("--rounds", type=int, default=7)
parser.add_argument("--ways", nargs="+", default=["ours", *PEERS], choices=WAYS)
parser.add_argument("--freeze-encoder", action="store_true")
parser.add_argument("--amp", default="auto")
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
args = parser.parse_args()
if args.rounds < 1:
    parser.error(f"--rounds: {args.rounds}: give at least 1")
if "cached" in args.ways and not args.freeze_encoder:
    parser.error("--ways: cached: needs --freeze-encoder: the encoder's output is known")

torch.set_num_threads(args.threads)
device = pick_device(args.device)
amp = pick_amp(args.amp, device)
fp16 = amp == torch.float16
told, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no table
if args.way:
    work(args.way)
else:
    sys.stdout = told
    compare()
