"""Tells the speech environment of our plugins: `python -m ovos_bridge.plugins.install`.

Writes a `.dist-info` with the entry points and a `.pth` with the project's
folder into this interpreter's site-packages. Idempotent, no network, no build.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

NAME, VERSION = "voiceengine_plugins", "1.0"

ENTRY_POINTS = """\
[opm.stt]
sphinx-stream = ovos_bridge.plugins.stt:SphinxStreamSTT
[opm.tts]
espeak-stream = ovos_bridge.plugins.tts:EspeakStreamTTS
[opm.VAD]
silero-batched = ovos_bridge.plugins.vad:SileroBatchedVAD
[opm.wake_word]
micro-wake-word = ovos_bridge.plugins.wake_word:MicroWakeWordEngine
"""

METADATA = f"Metadata-Version: 2.1\nName: {NAME.replace('_', '-')}\nVersion: {VERSION}\n"


def install(site: Path, project: Path) -> None:
    """Write the files."""
    folder = site / f"{NAME}-{VERSION}.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(METADATA)
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "RECORD").write_text("")
    (folder / "INSTALLER").write_text("voiceengine\n")
    (site / f"{NAME}.pth").write_text(f"{project}\n")


if __name__ == "__main__":
    install(Path(sysconfig.get_paths()["purelib"]), Path(__file__).resolve().parents[2])
