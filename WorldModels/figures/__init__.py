"""Everything that is drawn, from plain numbers and frames."""
