"""One engine a file: each turns chat requests into streams of chunks."""
