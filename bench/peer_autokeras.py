"""AutoKeras with a limit of parameters, in an environment that has it.

    python bench/peer_autokeras.py write pictures.npz       where smidgen is
    python bench/peer_autokeras.py search pictures.npz      where AutoKeras is

The pictures are those of ``bench/peers.py``.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

BATCH, PARAMS = 128, 78_186


def written(out: Path, train: int) -> None:
    """Write pictures of CIFAR-10 as Keras reads them."""
    from peers import pictures

    data = pictures(train)
    arrays: dict[str, Any] = {}
    for name, part in (("train", data.train), ("test", data.test)):
        arrays[f"x_{name}"] = part.images.permute(0, 2, 3, 1).numpy()
        arrays[f"y_{name}"] = part.labels.numpy()
    np.savez(out, **arrays)


def searched(path: Path, epochs: int, trials: int) -> dict[str, Any]:
    """Return what AutoKeras finds."""
    import autokeras

    arrays = np.load(path)
    start = time.process_time()
    search = autokeras.ImageClassifier(
        max_trials=trials, max_model_size=PARAMS, overwrite=True, seed=0, directory="autokeras"
    )
    # one column a class: it counts whole labels in a type that Keras 3.15 takes for no whole number
    targets = np.eye(10, dtype=np.float32)[arrays["y_train"]]
    search.fit(arrays["x_train"], targets, epochs=epochs, batch_size=BATCH, verbose=2)
    model = search.export_model()
    answers = model.predict(arrays["x_test"], verbose=0).argmax(1)
    return {
        "params": int(model.count_params()),
        "accuracy": float((answers == arrays["y_test"]).mean()),
        "cpu_seconds": time.process_time() - start,
    }


def main() -> None:
    """Write the pictures, or print what is found as a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["write", "search"])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--train", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--trials", type=int, default=3)
    asked = parser.parse_args()
    if asked.what == "write":
        written(asked.pictures, asked.train)
    else:
        print(json.dumps(searched(asked.pictures, asked.epochs, asked.trials)))


if __name__ == "__main__":
    main()
