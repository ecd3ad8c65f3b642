"""How Ultralytics is kept to its task: no network, no telemetry, no files outside the work folder.

Must be called before the first import of ``ultralytics`` in the process, which reads its environment
then; called later it still prepares the folder.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from inspector.errors import InputError

_FONTS = ("Arial.ttf", "Arial.Unicode.ttf")
_INTEGRATIONS = ("clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def quiet_ultralytics(folder: Path) -> None:
    """Point Ultralytics' settings at ``folder`` and switch off all that reaches out.

    Raises :class:`InputError` when the training extra is not installed.
    """
    settings = folder / "Ultralytics"
    settings.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        YOLO_CONFIG_DIR=str(folder),
        YOLO_OFFLINE="true",
        YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false",
        NNCF_CI="1",  # its telemetry is off then
    )
    # otherwise the library sets it to 1, and training takes twice as long
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    try:
        import matplotlib
        from ultralytics import settings as live
    except ImportError as error:
        raise InputError(
            f"Training needs the extra packages ({error.name} is missing)",
            "Run 'make train-env', or install 'line-inspector[train]'",
        ) from None
    for name in ("sync", *_INTEGRATIONS):
        live[name] = False
    # a data set is checked together with a plotting font, which would be downloaded
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in _FONTS:
        if not (settings / name).exists():
            shutil.copyfile(font, settings / name)


def write_json(path: Path, value: object) -> None:
    """Replace a small file as a whole, so that a killed training never leaves half of it."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(value, indent=2, sort_keys=True), encoding="utf-8")
    scratch.replace(path)
