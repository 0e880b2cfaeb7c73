"""HTTP as strangers speak it: bodies, connections, JSON."""
