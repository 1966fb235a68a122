"""What torch.save wrote, read as data: no code is run, no memory taken on a file's word."""

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

# What unpacking alignment heads raises for other texts, or for what is no text.
_UNPACKING = (
    *(AttributeError, EOFError, OSError, RuntimeError, TypeError, ValueError),
    zlib.error,
)
MAX_HEADS = 1000  # characters of alignment heads; those of large take 100
MAX_PICKLE = 1 << 22  # bytes; the names and shapes of a run of large-v3 take half a million
MAX_DEPTH = 100  # of values in values: to hash a tuple within a million tuples overflows the stack
MODULES = ("torch", "torch._utils", "torch.nn.parameter", "collections", "_codecs")
PLAIN = ("__builtin__ set", "__builtin__ complex")  # of others, what torch makes and is harmless
# The ends of an archive: of its directory, of that in the 64 bits that torch.save writes, and
# where the latter stands (PKWARE's APPNOTE.TXT, 4.3.14 to 4.3.16).
END, END64 = struct.Struct("<4s8xIIH"), struct.Struct("<4s36xQQ")
LOCATOR = struct.Struct("<4s4xQ4x")
# What zipfile raises for flipped bits: names, flags and versions that it cannot read among them.
_DAMAGES = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


def find_damage(path: Path) -> str:
    """What is wrong with a file that torch.save wrote, by its checksums; "" for nothing.

    torch.save compresses nothing, so that whatever is packed, or overlaps, is not of its making.
    Nor does it write what different readers of archives would read differently.
    """
    if not path.is_file():
        return "no file"
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return _damage(file, archive)
    except _DAMAGES as error:
        return f"not a whole file that torch.save wrote ({error})"


def _damage(file: IO[bytes], archive: zipfile.ZipFile) -> str:
    held = archive.infolist()
    if _is_ambiguous(file, held):
        return "an archive with two directories, or two entries of a name"
    if any(one.compress_type != zipfile.ZIP_STORED for one in held):
        return "a compressed archive, which torch.save does not write"
    if sum(one.file_size for one in held) > file.seek(0, 2):
        return "an archive that claims more than the file holds"
    if bad := archive.testzip():
        return f"damaged ({bad} fails its checksum)"
    for one in held:
        if one.filename.lower().endswith("data.pkl"):  # whichever of them torch takes
            if one.file_size > MAX_PICKLE:
                return f"not weights: {one.file_size} bytes of names alone"
            if odd := _odd_pickle(archive.read(one)):
                return odd
    return ""


def _is_ambiguous(file: IO[bytes], held: list[zipfile.ZipInfo]) -> bool:
    """Whether readers may differ in what an archive holds: they look for its directory from the
    end or where it is said to be, and torch's for names in any case.
    """
    if len({one.filename.lower() for one in held}) < len(held):
        return True
    at = file.seek(0, 2) - END.size
    _, n_bytes, offset, _ = _unpacked(END, file, at)
    signature, at64 = _unpacked(LOCATOR, file, at - LOCATOR.size)
    if signature == b"PK\6\7":
        at -= LOCATOR.size + END64.size
        signature, n_bytes, offset = _unpacked(END64, file, at)
        if signature != b"PK\6\6" or at64 != at:
            return True
    return bool(offset + n_bytes != at)


def _unpacked(what: struct.Struct, file: IO[bytes], at: int) -> tuple[Any, ...]:
    file.seek(max(0, at))
    return what.unpack(file.read(what.size).ljust(what.size, b"\0"))


def _odd_pickle(content: bytes) -> str:
    """Why a pickle is not one of weights, "" if it may be. Nothing of it is made.

    torch makes plain types alone (`weights_only`), of which some take memory on a number's word,
    and hashes keys however deep they are.
    """
    depths: list[int | None] = []  # of the values on the unpickler's stack; None: its mark
    memo: dict[Any, int | None] = {}
    try:
        for opcode, argument, _ in pickletools.genops(content):
            name = opcode.name
            if name == "GLOBAL" and not _is_known(str(argument)):
                return f"not weights: it names {reprlib.repr(argument)}"
            if name in ("GET", "BINGET", "LONG_BINGET"):
                depths.append(memo[argument])
                continue
            if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                memo[len(memo) if name == "MEMOIZE" else argument] = depths[-1]
                continue
            depth = _depth(opcode, depths)
            if depth > MAX_DEPTH:
                return f"not weights: values in values, more than {MAX_DEPTH} deep"
            depths += [None if kind.name == "mark" else depth for kind in opcode.stack_after]
    except Exception as error:  # pickletools raises many kinds for what is none
        return f"not weights: no pickle ({type(error).__name__}: {reprlib.repr(str(error))})"
    return ""


def _is_known(name: str) -> bool:
    """Whether a name, "module name", is of torch's tensors or of plain types."""
    return name in PLAIN or name.split(" ")[0] in MODULES


def _depth(opcode: pickletools.OpcodeInfo, depths: list[int | None]) -> int:
    """Of what an operation leaves on the stack, from which it takes its parts."""
    before = [kind.name for kind in opcode.stack_before]
    parts: list[int | None] = []
    if "mark" in before:
        while (top := depths.pop()) is not None:
            parts.append(top)
        before = before[: before.index("mark")]
    parts += [depths.pop() for _ in before]
    inner = [part or 0 for part in parts]
    if opcode.name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"):
        whole = inner.pop()  # to which the others are added
        return max(whole, 1 + max(inner, default=0))
    return 1 + max(inner) if inner else 0


def plain_dict(mapping: Any) -> dict[Any, Any]:
    """A dict of what a mapping holds, whatever attributes a file gave it. Raises TypeError."""
    return dict(dict.items(mapping))


def load_plain(path: Path) -> Any:
    """What torch.save wrote, of plain types alone: no code is run. Raises ValueError for others."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for a foreign pickle
        if is_out_of_memory(error):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: cannot be read as plain weights ({first})") from None


def find_mismatch(dims: ModelDimensions, weights: object, path: Path) -> str:
    """Why a file's weights cannot be a model of these dims, "" if they may, before it takes memory.

    Whisper fixes what it hears and writes; a model's size then grows with layers and width alone.
    """
    if problem := _odd_dims(dims):
        return problem
    if not isinstance(weights, dict):
        return "its weights are not tensors by name"
    weights = plain_dict(weights)
    if not all(isinstance(n, str) and isinstance(t, Tensor) for n, t in weights.items()):
        return "its weights are not tensors by name"
    if not all(t.device.type == "cpu" and t.is_floating_point() for t in weights.values()):
        return "its weights are not numbers with fractions"
    for name, tensor in weights.items():
        if tensor.layout != torch.strided or tensor.untyped_storage().nbytes() < tensor.nbytes:
            return f"{reprlib.repr(name)} claims more numbers than are stored"
    n_bytes = sum(tensor.nbytes for tensor in weights.values())
    if n_bytes > path.stat().st_size:
        return f"its weights claim {n_bytes} bytes, and the file holds {path.stat().st_size}"
    if dims.n_audio_layer + dims.n_text_layer > len(weights):
        return f"its dims ask for {dims.n_audio_layer} and {dims.n_text_layer} layers"
    encoder = dims.n_audio_layer * dims.n_audio_state**2
    decoder = dims.n_text_layer * dims.n_text_state**2
    n_least, n_held = 12 * (encoder + decoder), sum(t.numel() for t in weights.values())
    if n_least > n_held:
        return f"its dims ask for {n_least} weights and more, and it holds {n_held}"
    return ""


def _odd_dims(dims: ModelDimensions) -> str:
    """Why no Whisper has such dims, "" if one may."""
    shown = reprlib.repr(vars(dims))
    if not all(map(_is_size, vars(dims).values())):
        return f"its dims are {shown}, not Whisper's"
    fixed = dims.n_mels in (80, 128) and dims.n_audio_ctx == 1500 and dims.n_text_ctx <= 4096
    if not fixed or dims.n_vocab not in (51864, 51865, 51866):
        return f"no Whisper has these dims: {shown}"
    for width, n_heads in (
        (dims.n_audio_state, dims.n_audio_head),
        (dims.n_text_state, dims.n_text_head),
    ):
        if width % n_heads or width % 2 or width < 4:
            return f"no model has a width of {width} and {n_heads} heads"
    return ""


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def set_alignment_heads(model: Whisper, heads: Any) -> None:
    """Set alignment heads as whisper writes them; raises ValueError for others. None sets none."""
    if heads is None:
        return
    try:
        if len(heads) > MAX_HEADS:  # they are packed: a long text unpacks to anything
            raise ValueError(f"{len(heads)} characters")
        model.set_alignment_heads(heads.encode("ascii"))
    except _UNPACKING as error:
        raise ValueError(f"its alignment_heads are not whisper's ({error})") from None
