"""A model that ONNX Runtime computes on a CPU, in fp32 or int8."""

from __future__ import annotations

from pathlib import Path

import torch

from ftlearn.formats.names import FormatError, check_packages
from ftlearn.formats.prepared import PreparedModel

FILE = "model.onnx"


class OnnxModel(PreparedModel):
    """A model from an ONNX file, on as many threads as torch uses.

    Raises FormatError where ONNX Runtime is not installed or cannot read the file.
    """

    def __init__(self, file: Path, name: str, fingerprint: str) -> None:
        check_packages(name)
        super().__init__(name, fingerprint, torch.device("cpu"))
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors alone
        known = (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented)
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"]
            )
        except known as error:
            message = " ".join(str(error).split())[:200]
            raise FormatError(
                f"ONNX Runtime cannot read {str(file)!r} ({message}): export the model again, or "
                "install the version of onnxruntime that the manifest beside the file names"
            ) from error
        self._names = [argument.name for argument in self._session.get_inputs()]

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        arrays = {name: inputs[name].numpy() for name in self._names}
        return torch.from_numpy(self._session.run(None, arrays)[0])
