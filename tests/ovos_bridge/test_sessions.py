"""What goes out to core with an utterance."""

from __future__ import annotations

from ovos_bridge import sessions

PIPELINE = ("stop_high", "converse", "padatious_high", "stop_medium")
ACTIVE = [["a.skill", 3.0], ["b.skill", 2.0], ["c.skill", 1.0]]


def test_fresh_session_names_language_and_zone() -> None:
    """A new session carries what core cannot know, and no more."""
    assert sessions.fresh("s", language="de-DE", timezone="Europe/Berlin") == {
        "session_id": "s",
        "lang": "de-DE",
        "date_format": "DMY",
        "time_format": "full",
        "system_unit": "metric",
        "location": {"timezone": {"code": "Europe/Berlin", "name": "Europe/Berlin"}},
    }
    assert "location" not in sessions.fresh("s", language="en-US", timezone=None)


def test_blocked_skills_are_blacklisted_by_the_session() -> None:
    """What a caller may not reach, core does not ask for him."""
    session = sessions.fresh("s", language="en-US", blocked_skills=("a.skill",))
    assert session["blacklisted_skills"] == ["a.skill"]
    assert "blacklisted_skills" not in sessions.fresh("s", language="en-US")


def test_active_skills_are_those_that_converse_or_wait() -> None:
    """Core would wait half a second for each of the others."""
    session = {
        "session_id": "s",
        "active_skills": ACTIVE,
        "utterance_states": {"c.skill": "response", "b.skill": "intent"},
    }
    sent = sessions.for_sending(session, pipeline=PIPELINE, conversational={"a.skill"})
    assert [skill for skill, _ in sent["active_skills"]] == ["a.skill", "c.skill"]
    assert sent["pipeline"] == list(PIPELINE)


def test_stop_stages_go_when_nothing_is_active() -> None:
    """A stop without an active skill would be everybody's."""
    session = {"session_id": "s", "active_skills": ACTIVE}
    sent = sessions.for_sending(session, pipeline=PIPELINE, conversational=())
    assert sent["active_skills"] == []
    assert sent["pipeline"] == ["converse", "padatious_high"]


def test_unknown_pipeline_is_left_to_core() -> None:
    """Before core has told its pipeline none is sent."""
    assert "pipeline" not in sessions.for_sending({}, pipeline=(), conversational=())


def test_session_itself_is_not_changed() -> None:
    """What is kept stays as core sent it."""
    session = {"session_id": "s", "active_skills": list(ACTIVE)}
    sessions.for_sending(session, pipeline=PIPELINE, conversational=())
    assert session["active_skills"] == ACTIVE


def test_malformed_states_wait_for_nothing() -> None:
    """A foreign core may send anything."""
    assert sessions.waiting_skills({"utterance_states": ["x"]}) == []
    assert sessions.waiting_skills({}) == []
