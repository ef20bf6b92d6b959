"""Evolution strategies by ask and tell, each in a file of its own. They know numbers alone: no
world, no controller, no disk.
"""
