"""What the transformers engine is made of: loading, continuous batching, sampling, decoding."""
