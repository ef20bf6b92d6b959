"""Tries what each stage of a run does, for a while and in small, to learn how long it takes."""
