"""Clips as files and as arrays: MP4 in and out, frames from rows of data."""
