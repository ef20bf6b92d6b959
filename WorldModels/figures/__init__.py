"""Results as pictures: curves, tables, videos. Knows numbers and frames, no environment and no
network.
"""
