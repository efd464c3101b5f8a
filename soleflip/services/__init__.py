"""Use cases: functions named by verbs, the session first; they flush, the edge commits; they never render."""
