"""Prepared data: made once for each content on a volume, in shards that survive a crash, by as many cores as there are.

``place`` says where it lies and who is at it, ``shards`` what is kept on the way, ``crew`` who does it, ``step`` puts
them together.
"""
