"""The one training loop of every family.

Reading order: ``run`` (the stages of an attempt), ``loop`` (one step), ``checkpoint`` (what survives a crash), then
the helpers: ``sources`` (data), ``order`` (which rows a step sees), ``distributed``, ``progress``,
``artifact``.
"""
