"""Train recipes and score them on the same rows: settings in, a table with paired intervals out.

    python benchmarks/recipes/run.py recipes.json --train held/train.jsonl \
        --score held/choice.jsonl --out recipes/ [--model tiny.en] [--steps 300] [--seeds 0 1]

`recipes.json` maps a recipe's name to flags of `train`. Every recipe also gets the flags under
"common". Each run trains with a frozen encoder and cached features, unless its recipe says
`"--train-encoder"`. Its last weights, and their mixtures with stock's (`--shares`), are decoded
once. What is done is kept: the same command goes on after a stop, and a new recipe is added to the
table.
"""

import argparse
import json
import shlex
from pathlib import Path

import torch
from table import markdown_table

from whisper_ft import evaluate, train
from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig

FINISHED = "finished"  # a file in the folder of a run whose states are removed


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", type=Path)
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--score", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.5, 1.0])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def train_once(args, flags, folder, seed):
    """Train into a folder, or resume what stopped there; a finished run is left as it is."""
    encoder = [] if "--train-encoder" in flags else ["--freeze-encoder"]
    cache = ["--feature-cache", str(args.out / "features")] if encoder else []
    own = [flag for flag in flags if flag != "--train-encoder"]
    argv = ["--model", args.model, "--train", *args.train, "--max-steps", str(args.steps)]
    argv += ["--epochs", "1000000", "--workers", "0", "--seed", str(seed), "--out", str(folder)]
    argv += [*encoder, *cache, *own]
    recipe = folder.with_name(f"{folder.name}.recipe.json")  # tiny.en is no suffix
    if recipe.exists() and json.loads(recipe.read_text()) != argv:
        raise SystemExit(f"{recipe}: this run had other flags: name the recipe otherwise")
    if (folder / FINISHED).exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(json.dumps(argv))
    if (folder / "config.json").exists():
        argv = ["--resume", str(folder)]
    config, _ = parse(TrainConfig, argv, "train")
    result = train(config)
    if result.reason != "finished":
        raise SystemExit(result.message)
    (folder / FINISHED).touch()
    for state in folder.glob("state*.pt"):  # large, and of no use to a finished run
        state.unlink()


def score_all(args, checkpoints, shares, paths):
    """Decode mixtures of checkpoints and keep their samples; what is decoded is kept as it is."""
    for path in paths:
        if path.exists() and json.loads(path.read_text()).get("manifests") != args.score:
            raise SystemExit(f"{path}: was scored on other manifests: give another --out")
    left = [(share, path) for share, path in zip(shares, paths, strict=True) if not path.exists()]
    if not left:
        return
    mixed = tuple(share for share, _ in left) if len(checkpoints) == 2 else ()
    results = evaluate(checkpoints, args.score, dtype="float32", interpolate=mixed)
    for result, (_, path) in zip(results, left, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = [s.to_json() for some in result.samples.values() for s in some]
        content = {"manifests": args.score, "result": result.to_json(), "samples": samples}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        partial.replace(path)


def main():
    args = parse_arguments()
    torch.set_num_threads(args.threads)
    recipes = json.loads(args.recipes.read_text(encoding="utf-8"))
    common = shlex.split(recipes.pop("common", ""))
    title = f"{Path(args.model).stem if args.model.endswith('.pt') else args.model}-{args.steps}"
    scores = args.out / "scores" / title
    score_all(args, [args.model], [1], [scores / "stock.json"])
    for name in args.only or recipes:
        for seed in args.seeds:
            folder = args.out / "runs" / f"{title}-{name}-{seed}"
            train_once(args, common + shlex.split(recipes[name]), folder, seed)
            paths = [scores / f"{name}.{100 * share:.0f}.{seed}.json" for share in args.shares]
            score_all(args, [args.model, folder / "last.pt"], args.shares, paths)
            print(markdown_table(scores), flush=True)


if __name__ == "__main__":
    main()
