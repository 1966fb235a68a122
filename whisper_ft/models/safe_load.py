"""Read checkpoints as data: run no code from a file, and check its sizes before taking memory.

A malicious file may hold pickled code, claim sizes that it does not have, or be an archive that two
readers understand differently. Every file passes `find_damage` before `load_plain` opens it, and
`find_mismatch` before a model is made from it.
"""

from __future__ import annotations

import pickletools
import reprlib
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from whisper_ft.runtime.out_of_memory import is_out_of_memory

MAX_HEADS = 1000  # characters of alignment heads; those of large take 100
MAX_PICKLE = 1 << 22  # bytes; the names and shapes of a run of large-v3 take half a million
MAX_NAME = 200  # characters of a name that are shown
MAX_DEPTH = 100  # of nested values: hashing a tuple nested a million deep overflows the stack

# Names in a pickle that are safe: modules from which torch's `weights_only` makes tensors and plain
# types, and two harmless types of another module.
SAFE_MODULES = ("torch", "torch._utils", "torch.nn.parameter", "collections", "_codecs")
SAFE_NAMES = ("__builtin__ set", "__builtin__ complex")

# The records at the end of a zip archive (PKWARE's APPNOTE.TXT, 4.3.14 to 4.3.16): the end of the
# directory, the same in 64 bits as torch.save writes it, and the locator of the latter.
END_RECORD = struct.Struct("<4s8xIIH")
END64_RECORD = struct.Struct("<4s36xQQ")
END64_LOCATOR = struct.Struct("<4s4xQ4x")

# zipfile raises these for flipped bits, which may hit names, flags and versions.
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)
# `Whisper.set_alignment_heads` raises these for anything that is not packed heads.
_HEADS_ERRORS = (
    *(AttributeError, EOFError, OSError, RuntimeError, TypeError, ValueError),
    zlib.error,
)


def find_damage(path: Path) -> str:
    """Return why a file is not a whole, safe one that torch.save wrote, or "" if it is.

    Checks every checksum and every pickle without executing anything. torch.save compresses
    nothing, so a compressed or overlapping entry is refused, and so is an archive whose content
    depends on the reader.
    """
    if not path.is_file():
        return "no file"
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _find_archive_damage(file, archive)
    except _ZIP_ERRORS as error:
        return f"not a whole file that torch.save wrote ({error})"


def load_plain(path: Path) -> Any:
    """Load what torch.save wrote, if it holds plain types and tensors only; runs no code.

    Raises ValueError for anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds of error for a foreign pickle
        if is_out_of_memory(error):
            raise
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: cannot be read as plain weights ({first_line})") from None


def plain_dict(mapping: Any) -> dict[Any, Any]:
    """Return a plain dict of a mapping, without the attributes a file may have given it.

    Raises TypeError for anything but a dict.
    """
    return dict(dict.items(mapping))


def find_mismatch(dims: ModelDimensions, weights: object, n_bytes: int) -> str:
    """Return why weights from a file cannot be those of a model with these dims, or "".

    `n_bytes` is the size of the files. Runs before a model is allocated: the sizes that Whisper
    fixes are checked, and a model's size then depends only on the numbers of layers and their
    widths.
    """
    if problem := _find_odd_dims(dims):
        return problem
    if not isinstance(weights, dict):
        return "its weights are not tensors by name"
    weights = plain_dict(weights)
    if not all(isinstance(n, str) and isinstance(t, Tensor) for n, t in weights.items()):
        return "its weights are not tensors by name"
    if problem := _find_false_claim(weights, n_bytes):
        return problem
    if dims.n_audio_layer + dims.n_text_layer > len(weights):
        return f"its dims ask for {dims.n_audio_layer} and {dims.n_text_layer} layers"
    n_encoder = 12 * dims.n_audio_layer * dims.n_audio_state**2
    n_decoder = 12 * dims.n_text_layer * dims.n_text_state**2
    n_needed, n_stored = n_encoder + n_decoder, sum(t.numel() for t in weights.values())
    if n_needed > n_stored:
        return f"its dims ask for at least {n_needed} weights, but it has {n_stored}"
    return ""


def set_alignment_heads(model: Whisper, heads: Any) -> None:
    """Set alignment heads, packed as whisper packs them; None sets none.

    Raises ValueError for anything else.
    """
    if heads is None:
        return
    try:
        if len(heads) > MAX_HEADS:  # they are compressed: a long text may unpack to gigabytes
            raise ValueError(f"{len(heads)} characters")
        model.set_alignment_heads(heads.encode("ascii"))
    except _HEADS_ERRORS as error:
        raise ValueError(f"its alignment_heads are not whisper's ({error})") from None


def _find_archive_damage(file: IO[bytes], archive: zipfile.ZipFile) -> str:
    entries = archive.infolist()
    if _is_ambiguous(file, entries):
        return "an archive with two directories, or two entries with one name"
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        return "a compressed archive, which torch.save does not write"
    if sum(entry.file_size for entry in entries) > file.seek(0, 2):
        return "an archive that claims more than the file holds"
    if damaged_name := archive.testzip():
        return f"damaged ({damaged_name} fails its checksum)"
    for entry in entries:
        if entry.filename.lower().endswith("data.pkl"):  # any of them may be the one torch reads
            if entry.file_size > MAX_PICKLE:
                return f"not weights: {entry.file_size} bytes of names alone"
            if problem := _find_unsafe_pickle(archive.read(entry)):
                return problem
    return ""


def _is_ambiguous(file: IO[bytes], entries: list[zipfile.ZipInfo]) -> bool:
    """Return whether readers may disagree on an archive's content.

    Some search for the directory from the end of the file, others go where the file says it is,
    and torch finds names whatever their case.
    """
    if len({entry.filename.lower() for entry in entries}) < len(entries):
        return True
    position = file.seek(0, 2) - END_RECORD.size
    _, n_bytes, offset, _ = _unpack_at(END_RECORD, file, position)
    signature, position64 = _unpack_at(END64_LOCATOR, file, position - END64_LOCATOR.size)
    if signature == b"PK\6\7":
        position -= END64_LOCATOR.size + END64_RECORD.size
        signature, n_bytes, offset = _unpack_at(END64_RECORD, file, position)
        if signature != b"PK\6\6" or position64 != position:
            return True
    return bool(offset + n_bytes != position)


def _unpack_at(record: struct.Struct, file: IO[bytes], position: int) -> tuple[Any, ...]:
    file.seek(max(0, position))
    return record.unpack(file.read(record.size).ljust(record.size, b"\0"))


def _find_unsafe_pickle(content: bytes) -> str:
    """Return why a pickle is not one of weights, or "" if it may be; unpickles nothing.

    torch's `weights_only` still allocates memory for some types because a number says so, and
    hashes keys however deeply they are nested. This walks the operations before torch does.
    """
    depths: list[int | None] = []  # of the values on the unpickler's stack; None is its mark
    memo: dict[Any, int | None] = {}
    try:
        for opcode, argument, _ in pickletools.genops(content):
            name = opcode.name
            if name == "GLOBAL" and not _is_safe_name(str(argument)):
                return f"not weights: it names {str(argument)[:MAX_NAME]!r}"
            if name in ("GET", "BINGET", "LONG_BINGET"):
                depths.append(memo[argument])
                continue
            if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                memo[len(memo) if name == "MEMOIZE" else argument] = depths[-1]
                continue
            depth = _result_depth(opcode, depths)
            if depth > MAX_DEPTH:
                return f"not weights: values in values, more than {MAX_DEPTH} deep"
            depths += [None if kind.name == "mark" else depth for kind in opcode.stack_after]
    except Exception as error:  # pickletools raises many kinds of error for other content
        return f"not weights: no pickle ({type(error).__name__}: {reprlib.repr(str(error))})"
    return ""


def _is_safe_name(name: str) -> bool:
    """Return whether a pickle's "module name" is one of torch's tensors or of plain types."""
    return name in SAFE_NAMES or name.split(" ")[0] in SAFE_MODULES


def _result_depth(opcode: pickletools.OpcodeInfo, depths: list[int | None]) -> int:
    """Take an operation's operands off the stack and return the nesting depth of its result."""
    operand_kinds = [kind.name for kind in opcode.stack_before]
    operands: list[int | None] = []
    if "mark" in operand_kinds:
        while (top := depths.pop()) is not None:
            operands.append(top)
        operand_kinds = operand_kinds[: operand_kinds.index("mark")]
    operands += [depths.pop() for _ in operand_kinds]
    operand_depths = [operand or 0 for operand in operands]
    if opcode.name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"):
        container = operand_depths.pop()  # the others are added to it
        return max(container, 1 + max(operand_depths, default=0))
    return 1 + max(operand_depths) if operand_depths else 0


def _find_odd_dims(dims: ModelDimensions) -> str:
    """Return why no Whisper model has these dims, or "" if one may."""
    shown = reprlib.repr(vars(dims))
    if not all(map(_is_size, vars(dims).values())):
        return f"its dims are {shown}, not Whisper's"
    is_fixed = dims.n_mels in (80, 128) and dims.n_audio_ctx == 1500 and dims.n_text_ctx <= 4096
    if is_fixed and dims.n_vocab > 51866:
        return f"its vocabulary has {dims.n_vocab} tokens, and Whisper's 51866 at most"
    if is_fixed and (dims.n_vocab == 51866) != (dims.n_mels == 128):  # both are of large-v3
        return f"no Whisper has {dims.n_mels} mels and {dims.n_vocab} tokens: tokens were added?"
    if not is_fixed or dims.n_vocab not in (51864, 51865, 51866):
        return f"no Whisper has these dims: {shown}"
    for width, n_heads in (
        (dims.n_audio_state, dims.n_audio_head),
        (dims.n_text_state, dims.n_text_head),
    ):
        if width % n_heads or width % 2 or width < 4:
            return f"no model has a width of {width} and {n_heads} heads"
    return ""


def _find_false_claim(weights: dict[str, Tensor], n_stored: int) -> str:
    """Return which tensors are not stored numbers of this file, or "" if all are."""
    if not all(t.device.type == "cpu" and t.is_floating_point() for t in weights.values()):
        return "its weights are not floating-point numbers"
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
            return f"{reprlib.repr(name)} claims more numbers than are stored"
    n_bytes = sum(tensor.nbytes for tensor in weights.values())
    if n_bytes > n_stored:
        return f"its weights claim {n_bytes} bytes, but the file has {n_stored}"
    return ""


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
