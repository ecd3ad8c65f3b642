"""Networks on OpenVINO: the default runtime, on an ordinary CPU, without torch."""

from __future__ import annotations

import functools
import os
import queue
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openvino as ov

from inspector.domain import Image
from inspector.errors import BundleError, DefectError

_BUSY_S = 30.0
"""No inference takes that long: a pool that stays empty has been lost, not used."""


class OpenVinoNetwork:
    """A compiled network with a pool of inference requests. Safe to call from several threads.

    ``threads`` are shared by all ``requests``, each of which is a stream of its own: two requests in
    flight keep two cores busier than one with two threads does. Calls beyond ``requests`` wait.

    ``fastest``: leave the arithmetic to OpenVINO, which takes bfloat16 where the processor has it.

    Raises :class:`BundleError` when the file cannot be loaded.
    """

    def __init__(
        self, path: Path, threads: int | None = None, requests: int = 1, *, fastest: bool = False
    ) -> None:
        if not path.is_file():
            raise BundleError(f"{path} is missing", "Copy the whole bundle folder")
        self._path = path
        core = _core()
        properties: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY" if requests == 1 else "THROUGHPUT",
            "NUM_STREAMS": requests,
            "INFERENCE_NUM_THREADS": threads or os.cpu_count() or 1,
        }
        if not fastest:
            # bf16 or fp16 arithmetic would make verdicts depend on the processor
            properties["INFERENCE_PRECISION_HINT"] = "f32"
        try:
            model = core.read_model(path)
            # asked before the compiler merges tensors, and with them their names
            self._names = [port.get_any_name() for port in model.outputs]
            self._compiled = core.compile_model(model, "CPU", properties)
        except RuntimeError as error:
            raise BundleError(
                f"{path} cannot be loaded by OpenVINO {ov.get_version()}: {_reason(error)}",
                "Restore the bundle from where it was trained, or export it again",
            ) from error
        shape = self._compiled.inputs[0].get_partial_shape()
        self._static = tuple(shape.to_shape()) if shape.is_static else None
        self._idle: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(requests):
            self._idle.put(self._compiled.create_infer_request())

    def __call__(self, image: Image) -> Mapping[str, npt.NDArray[np.float32]]:
        """Run on ``image``, ``uint8`` ``(height, width, 3)`` BGR; outputs by name, as copies.

        Raises :class:`DefectError` for a picture of a wrong type or size, or when OpenVINO fails.
        """
        if image.dtype != np.uint8 or image.ndim != 3:
            raise DefectError(f"{self._path} takes uint8 pictures, not {image.dtype}{image.shape}")
        batch = np.ascontiguousarray(image)[None]
        if self._static is not None and batch.shape != self._static:
            raise DefectError(f"{self._path} takes {self._static}, not {batch.shape}")
        try:
            request = self._idle.get(timeout=_BUSY_S)
        except queue.Empty:
            raise DefectError(f"No inference request of {self._path} came back") from None
        try:
            # the interpreter lock is released while it runs
            request.infer({0: ov.Tensor(batch, shared_memory=True)})
            return {
                name: np.array(request.get_output_tensor(index).data, dtype=np.float32)
                for index, name in enumerate(self._names)
            }
        except RuntimeError as error:
            raise DefectError(f"OpenVINO failed on {self._path}: {_reason(error)}") from error
        finally:
            self._idle.put(request)


@functools.cache
def _core() -> ov.Core:
    """One for the life of the process.

    Its plugin lends the thread that first uses it a signal stack. If it went with the last of its
    models, the next signal to that thread, such as the SIGTERM of a service manager, would end in a
    segmentation fault.
    """
    return ov.Core()


def _reason(error: RuntimeError) -> str:
    """The last line of OpenVINO's message: those before it name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
