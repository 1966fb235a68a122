"""transformers' Whisper with openai-whisper's weights, and its trainer, entered step by step."""

import torch
from transformers import (
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

# From openai-whisper's names of parameters to those of transformers.
THEIRS = (
    (".blocks.", ".layers."),
    (".attn_ln.", ".self_attn_layer_norm."),
    (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".mlp_ln.", ".final_layer_norm."),
    (".cross_attn.", ".encoder_attn."),
    (".attn.", ".self_attn."),
    (".query.", ".q_proj."),
    (".key.", ".k_proj."),
    (".value.", ".v_proj."),
    (".out.", ".out_proj."),
    (".mlp.0.", ".fc1."),
    (".mlp.2.", ".fc2."),
    (".ln_post.", ".layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."),
    (".token_embedding.", ".embed_tokens."),
    (".positional_embedding", ".embed_positions.weight"),
)


def as_theirs(model, *, frozen):
    """A transformers model with the same weights, and as much of it trained."""
    dims = model.dims
    theirs = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=dims.n_vocab,
            num_mel_bins=dims.n_mels,
            d_model=dims.n_audio_state,
            encoder_layers=dims.n_audio_layer,
            encoder_attention_heads=dims.n_audio_head,
            encoder_ffn_dim=4 * dims.n_audio_state,
            decoder_layers=dims.n_text_layer,
            decoder_attention_heads=dims.n_text_head,
            decoder_ffn_dim=4 * dims.n_text_state,
            max_source_positions=dims.n_audio_ctx,
            max_target_positions=dims.n_text_ctx,
            use_cache=False,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    renamed = {}
    for name, tensor in model.state_dict().items():
        for here, there in THEIRS:
            name = name.replace(here, there)
        renamed[f"model.{name}"] = tensor
    renamed["proj_out.weight"] = renamed["model.decoder.embed_tokens.weight"]
    theirs.load_state_dict(renamed)
    if frozen:
        theirs.model.freeze_encoder()
    return theirs.to(model.device)


def inputs_of(batch):
    return {
        "input_features": batch.mel,
        "decoder_input_ids": batch.tokens,
        "labels": batch.targets,
    }


def run_trainer(model, batches, done, **settings):
    """Seq2SeqTrainer's own loop, on features that are in memory; `done` ends each step."""

    class Turns(TrainerCallback):
        def on_step_end(self, *_, **__):
            done(None)

    class Trainer(Seq2SeqTrainer):
        def get_train_dataloader(self):
            return torch.utils.data.DataLoader([inputs_of(b) for b in batches], batch_size=None)

    arguments = Seq2SeqTrainingArguments(
        output_dir="/tmp/unused",
        max_steps=len(batches),
        lr_scheduler_type="constant",
        use_cpu=model.device.type == "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **settings,
    )
    Trainer(model=model, args=arguments, callbacks=[Turns()]).train()
