"""Standard loads of families, and what they say of a pool.

Every family that has a file in ``loads`` can be benchmarked: to add one is to add its file.
"""
