"""Readers answer whatever they are given: in words, or with a value that holds."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import TARGETS, seeds

FAILED = Path(__file__).parent / "failed"


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, doubled, cut out or put in."""
    spoiled = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(spoiled) + 1)
        until = at + chance.randint(0, chance.choice([1, 4, 64, 4096]))
        match chance.randrange(5):
            case 0:
                spoiled[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del spoiled[at:until]
            case 2:
                spoiled[at:at] = spoiled[at:until]
            case 3:
                spoiled[at:at] = chance.choice(
                    [b"\xff" * 4, b"\0" * 8, b"\xed\xa0\x80", b"\n", b'"']
                )
            case 4:
                spoiled[at : at + 4] = chance.choice([0, 1, 2**31 - 1, 2**32 - 1]).to_bytes(
                    4, "little"
                )
    return bytes(spoiled)


@pytest.mark.parametrize("target", TARGETS)
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_no_spoiled_input_raises(target, data):
    seed = data.draw(st.sampled_from(seeds(target)))
    TARGETS[target](mutated(seed, data.draw(st.randoms(use_true_random=False))))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=4096))
def test_no_bytes_at_all_raise(target, content):
    TARGETS[target](content)


@pytest.mark.parametrize("target", TARGETS)
def test_inputs_that_are_right_are_read(target):
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_what_once_failed_does_not_fail_again(target):
    for path in sorted((FAILED / target).glob("*")):
        TARGETS[target](path.read_bytes())
