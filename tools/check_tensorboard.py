"""Reads a run's event files with TensorBoard's own reader, and compares every epoch with results.csv.

    python tools/check_tensorboard.py runs/train/1        (tensorboard 2.21)
"""

import csv
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(run):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    rows = list(csv.DictReader((run / "results.csv").open()))
    assert rows and "loss" in tags, tags
    for tag in tags:
        column = "lr" if tag == "learning_rate" else tag
        read = {event.step: event.value for event in events.Scalars(tag)}
        for row in rows:
            epoch, wanted = int(row["epoch"]), float(row[column])
            assert abs(read[epoch] - wanted) <= 1e-6 * abs(wanted), (tag, epoch, read[epoch], wanted)
    print(f"{run}: {len(rows)} epochs of {', '.join(tags)} as in results.csv")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
