"""Brings a model from a hub onto a volume, once: what is decided (``choice``, ``facts``, ``meter``) apart from what is
done (``hub``, ``fetching``, ``run``)."""
