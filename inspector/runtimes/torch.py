"""Networks on torch: CUDA where there is one, else the CPU. Imported only when a line asks for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch.export.passes import move_to_device_pass

from inspector.domain import Image
from inspector.errors import BundleError, DefectError


class TorchNetwork:
    """An exported program (``.pt2``). Safe to call from several threads; calls run one at a time.

    Weights are stored as ``float16`` and computed with as ``float32``.

    Raises :class:`BundleError` when the file cannot be loaded.
    """

    def __init__(self, path: Path, device: str | None = None) -> None:
        if not path.is_file():
            raise BundleError(f"{path} is missing", "Copy the whole bundle folder")
        self._path = path
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        try:
            program = torch.export.load(path)
        except (RuntimeError, ValueError, OSError, KeyError, BadZipFile) as error:
            raise BundleError(
                f"{path} cannot be loaded by torch {torch.__version__}: {error}",
                "Restore the bundle from where it was trained, or export it again",
            ) from error
        for name, value in program.state_dict.items():
            if value.dtype == torch.float16:
                single = value.detach().float()
                parameter = isinstance(value, torch.nn.Parameter)
                program.state_dict[name] = torch.nn.Parameter(single, False) if parameter else single
        if self._device.type != "cpu":
            program = move_to_device_pass(program, self._device)
        self._module = program.module()
        self._lock = threading.Lock()

    def __call__(self, image: Image) -> Mapping[str, npt.NDArray[np.float32]]:
        """Run on ``image``, ``uint8`` ``(height, width, 3)`` BGR; outputs by name.

        Raises :class:`DefectError` for a picture of a wrong type or size, or when torch fails.
        """
        if image.dtype != np.uint8 or image.ndim != 3:
            raise DefectError(f"{self._path} takes uint8 pictures, not {image.dtype}{image.shape}")
        batch = torch.from_numpy(np.ascontiguousarray(image)[None].copy()).to(self._device)
        try:
            with self._lock, torch.inference_mode():
                outputs = self._module(batch)
        except (RuntimeError, AssertionError) as error:
            raise DefectError(f"torch failed on {self._path}: {error}") from error
        return {name: value.float().cpu().numpy() for name, value in outputs.items()}
