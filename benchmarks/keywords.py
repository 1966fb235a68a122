"""How good found keywords are: precision and recall on a manifest whose own keywords are hidden.

    python benchmarks/keywords.py MANIFEST [MANIFEST ...]

Terms are compared word by word. "counts" calls the words rare that a manifest has once or twice,
which is all that a corpus says by itself. wordfreq is used where it is installed.
"""

import argparse
import time
from collections import Counter
from pathlib import Path

from whisper_ft.data.manifest import read_manifest
from whisper_ft.text.keywords import LETTERS, CorpusLanguage, find_keywords
from whisper_ft.text.word_rarity import wordfreq_version

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("manifests", nargs="+", type=Path)
args = parser.parse_args()


def words_of(terms):
    return [{w for term in some for w in LETTERS.findall(term.lower())} for some in terms]


def print_row(name, found, hidden):
    right = sum(len(a & b) for a, b in zip(found, hidden, strict=True))
    n_found, n_hidden = sum(map(len, found)), sum(map(len, hidden))
    n_rows = sum(map(bool, found))
    scores = f"{right / max(n_found, 1):.2f} | {right / max(n_hidden, 1):.2f}"
    print(f"| {name} | {scores} | {n_found} of {n_hidden} | {n_rows} of {len(found)} |")


print("| manifest, rule | precision | recall | words found | rows |\n|---|---|---|---|---|")
for path in args.manifests:
    rows = list(read_manifest(path).rows)
    hidden = words_of([row.keywords for row in rows])
    texts = [LETTERS.findall(row.text.lower()) for row in rows]
    counts = Counter(word for words in texts for word in words)
    for most in (1, 2):
        name = f"{path.parent.name}/{path.name}, counts up to {most}"
        print_row(name, [{w for w in words if counts[w] <= most} for words in texts], hidden)
    began = time.process_time()
    found = [()] * len(rows)
    for language in {row.written_language for row in rows}:
        chosen = [i for i, row in enumerate(rows) if row.written_language == language]
        corpus = CorpusLanguage.of_texts([rows[i].text for i in chosen], language)
        for i in chosen:
            found[i] = find_keywords(rows[i].text, corpus)
    microseconds = 1e6 * (time.process_time() - began) / len(rows)
    knowledge = f"wordfreq {wordfreq_version()}" if wordfreq_version() else "Whisper's vocabulary"
    name = f"{path.parent.name}/{path.name}, auto, {knowledge}"
    print_row(name, words_of(found), hidden)
    print(f"{sum(map(len, texts))} words; {microseconds:.0f} us a row")
