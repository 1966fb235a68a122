"""Fine-tune on the sample, then score stock and fine-tuned under right, no and wrong prompts.

    python examples/train_and_evaluate.py [MODEL] [FOLDER] [MAX_STEPS] [N_ROWS]

MODEL is a .pt file or an official name. FOLDER, which must be new, takes the run. N_ROWS limits the
rows that are decoded.
"""

import sys
from pathlib import Path

from whisper_ft import TrainConfig, evaluate, train

SAMPLE = Path(__file__).parents[1] / "data"


def main(
    model: str = "tiny.en",
    folder: str = "runs/example",
    max_steps: str = "200",
    n_rows: str = "80",
) -> None:
    """Print how the run ended, and the word error rates of both checkpoints."""
    config = TrainConfig(
        model=model,
        train=(str(SAMPLE / "train.jsonl"),),
        dev=(str(SAMPLE / "dev.jsonl"),),
        max_steps=int(max_steps),
        eval_rows=int(n_rows),
        out=folder,
    )
    result = train(config)
    print(result.message)
    if result.best is None:
        return
    for scored in evaluate([model, result.best], [SAMPLE / "test.jsonl"], rows=int(n_rows)):
        rates = {name: scored.scores[name]["wer"].rate for name in ("right", "none", "wrong")}
        print(scored.name, *(f"{name} prompt: {rate:.1%}" for name, rate in rates.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
