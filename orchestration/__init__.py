"""WHEN: composition, jobs, schedules and the command line."""
