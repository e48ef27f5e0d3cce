"""The command line: each file is one command, a typed function that `main` turns into flags."""
