"""Evolution strategies by ask and tell, one file each."""
