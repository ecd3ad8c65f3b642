"""How good a recipe is, on pictures whose truth is known: figures, predictions, and a page to sign.

``data`` reads the pictures and their truth, ``run`` sends them through the same station as the line,
``objects``, ``parts`` and ``pixels`` measure, ``summary`` puts the figures together, ``page`` prints
them. Nothing here needs torch; the libraries that measure are the extra ``[report]``.
"""
