"""Settings as the objects that they name: a device, a precision, a prompt policy, augmentation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from whisper_ft.config.train import TrainConfig
from whisper_ft.data.augmentation import Augmentation, check_augmentation
from whisper_ft.data.prompts import PromptPolicy, parse_policy
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.runtime.problems import collect


@dataclass(frozen=True)
class ResolvedSettings:
    """The objects that settings name; a default stands in for one that has a problem."""

    device: torch.device
    amp_dtype: torch.dtype | None  # None: float32
    policy: PromptPolicy
    augmentation: Augmentation
    problems: tuple[str, ...]


def resolve_settings(config: TrainConfig) -> ResolvedSettings:
    """Return what the settings name on this machine, and every problem with them."""
    problems: list[str] = []
    device, amp_dtype = torch.device("cpu"), None
    policy = parse_policy(TrainConfig.prompts, TrainConfig.distractors)
    with collect(problems):
        device = pick_device(config.device)
    with collect(problems):
        policy = parse_policy(config.prompts, config.distractors)
    with collect(problems):
        amp_dtype = pick_amp(config.amp, device)
    names = (field.name for field in dataclasses.fields(Augmentation))
    augmentation = Augmentation(**{name: getattr(config, name) for name in names})
    problems += check_augmentation(augmentation)
    return ResolvedSettings(device, amp_dtype, policy, augmentation, tuple(problems))
