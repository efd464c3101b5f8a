"""The RQ edge: tasks that perform runs, and the timetable."""
