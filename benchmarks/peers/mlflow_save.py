# mypy: ignore-errors
"""The MLflow peer's model: the pipeline as MLflow saves it, with a signature.

Its types are not checked: it runs where MLflow is installed, which this project does not need.

    python -m benchmarks.peers.mlflow_save FOLDER EXAMPLE
"""

import json
import sys
from pathlib import Path

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature

from benchmarks.peers.pipeline import load

if __name__ == "__main__":
    folder, example = sys.argv[1:]
    pipeline = load()
    frame = pd.DataFrame(json.loads(Path(example).read_text())["candidates"])
    mlflow.sklearn.save_model(
        pipeline,
        folder,
        pyfunc_predict_fn="predict_proba",
        signature=infer_signature(frame, pipeline.predict_proba(frame)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )
