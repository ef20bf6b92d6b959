"""Evolution strategies with ask and tell, one file each."""
