"""How much of anything an SDP offer may hold: counted before the parser sees a line.

The parser puts every feedback line on every codec that it names, `*` on all of
them, and looks codecs up one by one: an offer of 60 KB could hold the loop for
half a minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

RTPMAP, FEEDBACK, FORMAT_PARAMETERS = "a=rtpmap", "a=rtcp-fb", "a=fmtp"
MOST_LINES: Final = {RTPMAP: 64, FEEDBACK: 128, FORMAT_PARAMETERS: 64}
"""Lines of a kind in one section; browsers with video send half of that at most."""
MOST_OTHER_LINES: Final = 256
"""Further lines of one section, or before the first; candidates are most of them."""
MOST_FORMATS: Final = 128
"""Payload types of one section."""
MOST_FEEDBACK: Final = MOST_LINES[RTPMAP] * MOST_LINES[FEEDBACK]
"""Codecs times feedback lines of each section, in all."""
MOST_SECTIONS: Final = 8
"""Media sections; each makes objects before anything is known of the caller."""
MOST_GROUPED: Final = 2 * MOST_SECTIONS
"""Names in one group."""
_GROUP: Final = "a=group"
_MEDIA: Final = "m="
_BEFORE_FORMATS: Final = 3


def excess(lines: Iterable[str]) -> str | None:
    """Say what an offer has too much of; None if it can be parsed in little time."""
    sections, feedback = 0, 0
    counted = Counter[str]()
    for line in lines:
        if line.startswith(_MEDIA):
            sections += 1
            feedback += counted[RTPMAP] * counted[FEEDBACK]
            counted.clear()
            if sections > MOST_SECTIONS:
                return f"more than {MOST_SECTIONS} media sections"
            if len(line.split()) - _BEFORE_FORMATS > MOST_FORMATS:
                return f"more than {MOST_FORMATS} formats in a media section"
        kind = line.partition(":")[0]
        kind, most = (kind, MOST_LINES[kind]) if kind in MOST_LINES else ("", MOST_OTHER_LINES)
        counted[kind] += 1
        if counted[kind] > most:
            return f"more than {most} {kind or 'other'} lines in a section"
        if line.startswith(_GROUP) and len(line.split()) - 1 > MOST_GROUPED:
            return f"more than {MOST_GROUPED} names in a group"
    feedback += counted[RTPMAP] * counted[FEEDBACK]
    return "too much feedback for its codecs" if feedback > MOST_FEEDBACK else None
