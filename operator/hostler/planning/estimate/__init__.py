"""What a job or service takes before it runs: operations, memory, time, energy and money, each with its basis.

Pure. ``shapes`` has what goes in, ``result`` what comes out; between them ``operations`` counts arithmetic, ``memory``
sums bytes of a device, ``speed`` says how much of an accelerator's peak such work reaches, and ``estimate`` puts them
together.
"""
