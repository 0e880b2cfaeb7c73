"""One router a file. A new one is a file here and a line in ``routers.registry``."""
