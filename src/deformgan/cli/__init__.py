"""The command line: each file is one command, a typed function whose signature is its flags."""
