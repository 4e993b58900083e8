"""From what was said to what is spoken: one translation at a time, in order.

What is said while one runs waits, and is translated together, so that the
translation catches up when the model is slow. Speech is synthesised sentence by
sentence, at most `SPOKEN_AHEAD_MS` before it is heard.

Invariants: every `StartBrain` was allowed and reserved; every reservation is
settled by one `RecordUsage`; sentences are spoken in the order of their text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from realtime.engine import (
    BrainFailed,
    BrainFinished,
    BrainReport,
    BrainRequest,
    BrainText,
    BrainUsage,
    ContextItem,
    EngineFault,
    SpeechFailed,
    SpeechFinished,
    SpeechProduced,
    SpeechRequest,
)
from realtime.errors import WireFault
from realtime.session.effects import CancelBrain, RecordUsage, ReserveTokens, Speak, StartBrain
from realtime.session.outbox import Outbox
from realtime.translation.limits import TranslationLimits, samples_of
from realtime.translation.prompt import instructions, space_between
from realtime.translation.words import Spoken
from realtime.usage import (
    CachedDetails,
    InputDetails,
    OutputDetails,
    Usage,
    assistant_audio_tokens,
    text_tokens,
    user_audio_tokens,
)

MOST_CHARS: Final = 2_000
"""Source text of one translation, where several stretches wait."""

REMEMBERED: Final = 2
"""Translations that the next one is told, since sentences go on."""

SPARE_TOKENS: Final = 1_024
"""What a model may use besides, in which some think."""

SEGMENTS_AHEAD: Final = 2
SPOKEN_AHEAD_MS: Final = 20_000


DEFAULT_VOICE: Final = "alloy"
"""Where the operator says no other; clients cannot choose one."""


@dataclass(slots=True)
class _Translation:
    """One request to the model."""

    id: str
    source: str
    samples: int
    language: str
    text: str = ""
    sentence: str = ""
    asked: bool = False
    unspoken: int = 0
    """Sentences that are not spoken to their end."""
    samples_made: int = 0
    ended: tuple[str, BrainUsage | None] | None = None
    """The status and the model's own count, once it has said everything."""


class Translating:
    """Translates and speaks."""

    def __init__(
        self,
        outbox: Outbox,
        limits: TranslationLimits,
        *,
        language: Callable[[], str],
        ask: Callable[[], int],
        told: Callable[[str], None],
        failed: Callable[[WireFault | EngineFault], None],
        voice: str = DEFAULT_VOICE,
    ) -> None:
        """`ask` asks admission for a translation, `told` gets text, `failed` what went wrong."""
        self._outbox = outbox
        self._limits = limits
        self._language = language
        self._ask = ask
        self._told = told
        self._failed = failed
        self._voice = voice
        self._waiting: deque[Spoken] = deque()
        self._running: _Translation | None = None
        self._question: int | None = None
        self._remembered: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self._before = ""
        self._speech_id = outbox.ids("resp")
        """All speech is one stream."""
        self._unspoken: deque[tuple[str, _Translation]] = deque()
        self._segments: dict[str, _Translation] = {}
        self._flowing: str | None = None
        self.available = 0
        """Samples of speech that wait to be heard."""

    # --- what the clock and the end must know ---

    @property
    def flowing(self) -> bool:
        """More of what is being said is on its way."""
        return self._flowing is not None

    @property
    def idle(self) -> bool:
        """Nothing is left to be translated, spoken or heard."""
        waits = self._waiting or self._unspoken or self._segments
        return not waits and self._running is None and self.available == 0

    @property
    def congested(self) -> bool:
        """True while more waits than may."""
        return (
            len(self._waiting) >= self._limits.max_pending_stretches
            or len(self._unspoken) >= self._limits.max_unspoken
        )

    # --- from words to a request ---

    def spoken(self, said: Spoken) -> None:
        """A stretch was understood."""
        self._waiting.append(said)
        self._next()

    def _next(self) -> None:
        if self._running is not None or not self._waiting:
            return
        said = [self._waiting.popleft()]
        chars = len(said[0].text)
        while self._waiting and chars + len(self._waiting[0].text) < MOST_CHARS:
            said.append(self._waiting.popleft())
            chars += len(said[-1].text)
        self._running = _Translation(
            self._outbox.ids("resp"),
            " ".join(one.text for one in said),
            sum(one.samples for one in said),
            self._language(),
        )
        self._question = self._ask()

    def allowed(self, question: int) -> bool:
        """Admission said yes; return whether it was asked about a translation."""
        if question != self._question or self._running is None:
            return False
        self._question = None
        running = self._running
        self._outbox.do(
            ReserveTokens(
                response_id=running.id,
                input_tokens=self._given(running).text_tokens,
                output_tokens=self._most_tokens(running),
            )
        )
        return True

    def refused(self, question: int, fault: WireFault) -> bool:
        """Admission said no; return whether it was asked about a translation."""
        if question != self._question:
            return False
        self._question = None
        self._give_up(fault)
        return True

    def reserved(self, response_id: str) -> None:
        """There is room: ask the model."""
        running = self._running
        if running is None or running.id != response_id:
            return
        running.asked = True
        request = BrainRequest(
            response_id=running.id,
            items=self._items(running),
            instructions=instructions(running.language),
            tool_choice="none",
            max_output_tokens=self._most_tokens(running),
        )
        self._outbox.do(StartBrain(request))

    def unreserved(self, response_id: str, fault: WireFault) -> None:
        """There is no room."""
        if self._running is not None and self._running.id == response_id:
            self._give_up(fault)

    def _give_up(self, fault: WireFault) -> None:
        self._running = None
        self._failed(fault)
        self._next()

    def _items(self, running: _Translation) -> tuple[ContextItem, ...]:
        items = []
        for place, (source, made) in enumerate(self._remembered):
            items += [
                ContextItem(item_id=f"source_{place}", kind="message", role="user", text=source),
                ContextItem(item_id=f"made_{place}", kind="message", role="assistant", text=made),
            ]
        now = ContextItem(item_id="source", kind="message", role="user", text=running.source)
        return (*items, now)

    def _most_tokens(self, running: _Translation) -> int:
        """No translation is so much longer than its source; a model that tells stories is cut."""
        return 4 * text_tokens(running.source) + SPARE_TOKENS

    def _given(self, running: _Translation) -> InputDetails:
        read = "".join(item.text for item in self._items(running))
        tokens = text_tokens(instructions(running.language)) + text_tokens(read)
        return InputDetails(text_tokens=tokens, audio_tokens=user_audio_tokens(running.samples))

    # --- from the model's text to sentences ---

    def brain(self, report: BrainReport) -> None:
        """The model says something; whatever it says besides text is not asked for."""
        running = self._running
        if running is None or not running.asked or report.response_id != running.id:
            return
        match report:
            case BrainText():
                self._text(running, report)
            case BrainFinished():
                cut = "incomplete" if report.cut else "completed"
                self._finish(running, cut, report.usage)
            case BrainFailed():
                self._failed(report.fault)
                self._finish(running, "failed", None)
            case _:
                pass

    def _text(self, running: _Translation, report: BrainText) -> None:
        text = report.text if running.text else report.text.lstrip()
        if text:
            space = "" if running.text else space_between(self._before, running.language)
            self._before = text[-1]
            running.text += text
            running.sentence += text
            self._told(space + text)
        if report.complete:
            self._say(running)

    def _say(self, running: _Translation) -> None:
        sentence, running.sentence = running.sentence.strip(), ""
        if sentence:
            running.unspoken += 1
            self._unspoken.append((sentence, running))
            self._speak()

    def _finish(self, running: _Translation, status: str, usage: BrainUsage | None) -> None:
        running.ended = (status, usage)
        self._say(running)
        self._settle(running)
        if running.text and status == "completed":
            self._remembered.append((running.source, running.text.strip()))
        self._running = None
        self._next()

    def _settle(self, made: _Translation) -> None:
        """Enter a translation in the books once it is spoken."""
        if made.ended is None or made.unspoken:
            return
        status, counted = made.ended
        usage = self._usage(made, counted)
        estimated = counted is None
        self._outbox.do(
            RecordUsage(response_id=made.id, status=status, usage=usage, estimated=estimated)
        )

    def _usage(self, running: _Translation, counted: BrainUsage | None) -> Usage:
        """The model's own count where there is one; audio by its length, heard or not."""
        given = self._given(running)
        audio_tokens = assistant_audio_tokens(running.samples_made)
        made = OutputDetails(text_tokens(running.text), audio_tokens)
        if counted is not None:
            given = InputDetails(
                text_tokens=counted.input_text_tokens,
                audio_tokens=given.audio_tokens,
                cached_tokens=counted.cached_text_tokens,
                cached_tokens_details=CachedDetails(text_tokens=counted.cached_text_tokens),
            )
            made = OutputDetails(counted.output_text_tokens, audio_tokens)
        return Usage.of(given, made)

    # --- from sentences to speech ---

    def _speak(self) -> None:
        ahead = samples_of(SPOKEN_AHEAD_MS)
        while self._unspoken and len(self._segments) < SEGMENTS_AHEAD and self.available < ahead:
            text, made = self._unspoken.popleft()
            segment_id = self._outbox.ids("seg")
            self._segments[segment_id] = made
            hurries = self.available > samples_of(self._limits.behind_ms)
            request = SpeechRequest(
                segment_id=segment_id,
                response_id=self._speech_id,
                text=text,
                voice=self._voice,
                speed=self._limits.hurry if hurries else 1.0,
                language=made.language,
            )
            self._outbox.do(Speak(request))

    def produced(self, report: SpeechProduced) -> None:
        """More speech lies in the shell's store."""
        made = self._segments.get(report.segment_id)
        if made is not None:
            self._flowing = report.segment_id
            made.samples_made += report.samples
            self.available += report.samples

    def segment_ended(self, report: SpeechFinished | SpeechFailed) -> None:
        """A sentence is spoken, or cannot be."""
        made = self._segments.pop(report.segment_id, None)
        if made is None:
            return
        if self._flowing == report.segment_id:
            self._flowing = None
        if isinstance(report, SpeechFailed):
            self._failed(report.fault)
        made.unspoken -= 1
        self._settle(made)
        self._speak()

    def heard(self, samples: int) -> None:
        """So much speech was sent."""
        self.available -= samples
        self._speak()

    def end(self) -> None:
        """The session is over: settle what runs, and what is not spoken to its end."""
        running, self._running = self._running, None
        if running is not None and running.asked:
            self._outbox.do(CancelBrain(running.id))
            running.ended = ("cancelled", None)
        unsettled = [running] if running is not None else []
        unsettled += [made for _, made in self._unspoken]
        unsettled += self._segments.values()
        for made in {id(made): made for made in unsettled}.values():
            made.unspoken = 0
            self._settle(made)
