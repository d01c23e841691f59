"""The `hostler` command line."""
