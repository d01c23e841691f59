"""Brings a model onto a volume, once: what is decided (``choice``, ``facts``, ``meter``) apart from what is done
(``fetching``, ``run``, and where files come from: ``hub``, ``web``, ``bucket``, ``registry``)."""
