"""Every setting of an experiment: one frozen dataclass a noun, each field with meaning and unit."""
