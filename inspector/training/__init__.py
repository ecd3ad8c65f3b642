"""Making model bundles: data sets, detectors, anomaly models, their export and their cards.

The only package, with :mod:`inspector.runtimes.torch`, that needs the ``[train]`` extra; each of its
heavy modules imports torch, so nothing that runs at the line may import from here.
"""
