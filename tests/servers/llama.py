"""llama.cpp's own server on a model of random weights: `python -m tests.servers.llama KIND FILE`.

Runs in an environment of its own (`deploy/bootstrap.py llama`) and prints its address. Only the
wire matters, so the weights mean nothing: a model of KIND `words` says words without end, one of
KIND `calls` calls a function wherever it may and then ends.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "var" / "venv" / "llama" / "bin" / "python"
WORDS = [
    "the", "time", "is", "ten", "past", "nine", "it", "a", "fine", "morning", "I", "think",
    "yes", "no", "rain", "sun", "sea", "book", "letter",
]  # fmt: skip
CALL = "<tool_call>\n"
TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n<tools>' }}
    {%- for tool in tools %}
        {{- '\\n' + (tool | tojson) }}
    {%- endfor %}
    {{- '\\n</tools><|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and message.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for call in message.tool_calls %}
            {{- '\\n<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content }}
        {{- '\\n</tool_response><|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
"""Of the form that Qwen's models have, which llama.cpp turns into a grammar of calls."""

DIM, HEADS, LAYERS, INNER = 64, 4, 2, 128
CONTEXT_TOKENS = 8_192
SLOTS = 2
END, FIRST_TEXT = 2, 259


@dataclass(frozen=True, slots=True)
class Llama:
    """One that runs; `url` is an SDK's base URL."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Llama]:
    """Start one whose model is written into a folder."""
    argv = [str(PYTHON), "-m", "tests.servers.llama", kind, str(folder / f"{kind}.gguf")]
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield Llama(f"{process.stdout.readline().strip()}/v1", process)
    finally:
        process.kill()
        process.wait()


def _vocabulary(gguf: Any) -> tuple[list[bytes], list[Any]]:
    kinds = gguf.TokenType
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    types = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, *[kinds.BYTE] * 256]
    text = [chr(code) for code in range(33, 127)]
    text += ["\u2581", *(f"\u2581{word}" for word in WORDS), CALL]
    return tokens + [one.encode() for one in text], types + [kinds.NORMAL] * len(text)


def _write(path: Path, *, calls: bool) -> None:
    """Write the model file."""
    import gguf  # type: ignore[import-not-found]  # noqa: PLC0415 -- of its own environment
    import numpy as np  # noqa: PLC0415

    chance = np.random.default_rng(7)

    def weights(*shape: int, scale: float = 0.1) -> Any:
        return (chance.standard_normal(shape) * scale).astype(np.float32)

    tokens, types = _vocabulary(gguf)
    words = [place for place, token in enumerate(tokens) if token[:3] == b"\xe2\x96\x81"]
    read, said = weights(len(tokens), DIM, scale=0.3), weights(len(tokens), DIM, scale=0.3)
    said[:FIRST_TEXT] *= 0.02  # bytes alone are no text
    said[words] *= 2.0
    # What the first dimension says is the same everywhere: it is how much a token is liked.
    read[:, 0], said[:, 0] = 4.0, 0.0
    said[END, 0], said[tokens.index(CALL.encode()), 0] = (8.0, 3.0) if calls else (-3.0, -3.0)
    file = gguf.GGUFWriter(path, "llama")
    file.add_context_length(CONTEXT_TOKENS)
    file.add_embedding_length(DIM)
    file.add_block_count(LAYERS)
    file.add_feed_forward_length(INNER)
    file.add_head_count(HEADS)
    file.add_head_count_kv(HEADS)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_rope_dimension_count(DIM // HEADS)
    file.add_vocab_size(len(tokens))
    file.add_tokenizer_model("llama")
    file.add_token_list(tokens)
    file.add_token_scores([-float(max(place - FIRST_TEXT, 0)) for place in range(len(tokens))])
    file.add_token_types(types)
    file.add_bos_token_id(1)
    file.add_eos_token_id(END)
    file.add_unk_token_id(0)
    file.add_chat_template(TEMPLATE)
    file.add_tensor("token_embd.weight", read)
    file.add_tensor("output_norm.weight", np.ones(DIM, np.float32))
    file.add_tensor("output.weight", said)
    for layer in range(LAYERS):
        name = f"blk.{layer}."
        for norm in ("attn_norm", "ffn_norm"):
            file.add_tensor(f"{name}{norm}.weight", np.ones(DIM, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            file.add_tensor(f"{name}{part}.weight", weights(DIM, DIM))
        file.add_tensor(f"{name}ffn_gate.weight", weights(INNER, DIM))
        file.add_tensor(f"{name}ffn_up.weight", weights(INNER, DIM))
        file.add_tensor(f"{name}ffn_down.weight", weights(DIM, INNER))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def main() -> None:
    """Serve until killed."""
    import xllamacpp  # type: ignore[import-not-found]  # noqa: PLC0415 -- of its own environment

    kind, path = sys.argv[1:]
    _write(Path(path), calls=kind == "calls")
    chosen = xllamacpp.CommonParams()
    chosen.model.path = path
    chosen.n_ctx, chosen.n_parallel = CONTEXT_TOKENS, SLOTS
    chosen.use_jinja, chosen.warmup, chosen.port = True, False, 0
    server = xllamacpp.Server(chosen)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
