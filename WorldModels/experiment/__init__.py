"""What an experiment is told and where it lies: settings, presets, results. Knows no environment
and no network.
"""
