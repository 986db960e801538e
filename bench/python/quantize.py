"""Quantizes one model with ONNX Runtime's Python tools in every way its user would try.

Reads a job from standard input, as JSON: `model` (an .onnx file), `fallback` (the same model at opset 13 or later, for
where the version converter fails), `calibration` (an .npz, one array per input, first axis the calls), `out` (a folder),
`seconds` and `bytes` (what one way may take). Writes OUT/results.json: a list of {how, source, note, seconds, file | error}.
Each way runs in a process of its own, so that one that dies or takes all memory leaves the others be.
"""

import json
import os
import resource
import signal
import sys
import time
import traceback

import numpy as np
import onnx
import onnx.reference  # Before onnxruntime: the two register the same operators, and this order survives it.
import onnx.version_converter
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType
from onnxruntime.quantization import quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

LEAST_OPSET = 13  # Scales per channel.
METHODS = ("MinMax", "Entropy", "Percentile")


class Refused(Exception):
    """A reason that is said already."""


class Reader(CalibrationDataReader):
    def __init__(self, path):
        with np.load(path) as arrays:
            self.arrays = {name: arrays[name] for name in arrays.files}
        self.calls = min(len(array) for array in self.arrays.values())
        self.at = 0

    def get_next(self):
        if self.at >= self.calls:
            return None
        self.at += 1
        return {name: np.asarray(array[self.at - 1]) for name, array in self.arrays.items()}


def say(error):
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0] if lines else 'no message'}"
    return text if len(text) <= 160 else text[:157] + "..."


def opset_of(model):
    return next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 1)


def loads(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # As calibration opens it: what its own optimizer makes of it is not asked here.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def upgraded(path, fallback, target):
    """A model of LEAST_OPSET or later, and what was done for it."""
    model = onnx.load(path)
    old = opset_of(model)
    if old >= LEAST_OPSET:
        return path, ""
    try:
        onnx.save(onnx.version_converter.convert_version(model, LEAST_OPSET), target)
        loads(target)
        return target, f"opset {old} to {LEAST_OPSET} by onnx.version_converter"
    except Exception as error:
        return fallback, f"after our clean-up: the version converter fails ({say(error)})"


def pre_processed(path, target):
    """What quant_pre_process makes of a model, and what it had to leave out."""
    errors = []
    ways = (
        ({}, ""),
        ({"skip_symbolic_shape": True}, "without symbolic shapes"),
        ({"skip_symbolic_shape": True, "skip_optimization": True}, "without symbolic shapes and optimization"),
    )
    for skip, note in ways:
        try:
            quant_pre_process(path, target, **skip)
            loads(target)
            return target, f"{note} ({errors[0]})" if errors else note
        except Exception as error:
            errors.append(say(error))
    raise Refused(errors[0])


def static(method):
    def run(source, target, job):
        quantize_static(
            source,
            target,
            Reader(job["calibration"]),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=getattr(CalibrationMethod, method),
        )

    return run


def dynamic(source, target, job):
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)


def alone(work, job):
    """Runs `work` in a child process. Returns what it returns; raises Refused with what it raised or how it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_AS, (job["bytes"], job["bytes"]))
            signal.alarm(job["seconds"])
            answer = {"value": work()}
            status = 0
        except BaseException as error:
            traceback.print_exc()
            answer = {"error": str(error) if isinstance(error, Refused) else say(error)}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if not text:
        killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        late = killer == signal.SIGALRM
        raise Refused(f"took longer than {job['seconds']} s" if late else f"its process died (signal {killer})")
    answer = json.loads(text)
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["value"]


def main():
    job = json.load(sys.stdin)
    out = job["out"]
    place = lambda name: os.path.join(out, name + ".onnx")
    results = []

    def attempt(how, source, note, work, target):
        started = time.time()
        row = {"how": how, "source": source, "note": note}
        try:
            alone(work, job)
            row["file"] = os.path.basename(target)
        except Exception as error:
            row["error"] = str(error)
        row["seconds"] = time.time() - started
        results.append(row)

    sources = []
    try:
        sources.append(("as given", *alone(lambda: upgraded(job["model"], job["fallback"], place("upgraded")), job)))
    except Exception as error:
        sources.append(("as given", job["fallback"], f"after our clean-up: {error}"))
    try:
        _, base, how = sources[0]
        path, note = alone(lambda: pre_processed(base, place("pre-processed")), job)
        sources.append(("pre-processed", path, "; ".join(filter(None, (how, note)))))
    except Exception as error:
        results.append({"how": "quant_pre_process", "source": "pre-processed", "note": "", "error": str(error), "seconds": 0})
    for source, path, note in sources:
        for method in METHODS:
            target = place(f"{source.replace(' ', '-')}-{method}")
            work = lambda: static(method)(path, target, job)
            attempt(f"quantize_static {method}", source, note, work, target)
        target = place(f"{source.replace(' ', '-')}-dynamic")
        attempt("quantize_dynamic", source, note, lambda: dynamic(path, target, job), target)
    answer = {"versions": f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}", "results": results}
    with open(os.path.join(out, "results.json"), "w") as file:
        json.dump(answer, file)


main()
