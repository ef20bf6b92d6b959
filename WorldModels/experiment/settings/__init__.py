"""Every setting of an experiment: one frozen dataclass per noun, each field with its meaning."""
