"""The test of a driver, part by part: who plays what, how true the dream is, the report and the films. Put together by evaluate."""
