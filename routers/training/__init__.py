"""From recorded outcomes to a router on disk; read dataset, evaluate, train, artifact."""
