"""A run that is killed and continued, as the real TensorBoard and the real MLflow server see it.

    pip install tensorboard mlflow; npm run build; python test/reference/trackers.py

The MLflow server cannot be reached while the run begins again, so that it has to be told later what it missed.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).resolve().parents[2]
WORK = Path(tempfile.mkdtemp(prefix="distill-trackers-"))
BIN = Path(sys.executable).parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, check, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        try:
            found = check()
            if found:
                return found
        except Exception:
            pass
        time.sleep(0.3)
    raise SystemExit(f"{what} never came")


def get(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read()


class Way:
    """The way to a server, which can be closed and opened again."""

    def __init__(self, to):
        self.to, self.port, self.open_sockets, self.listening = to, free_port(), [], None
        self.open()

    def open(self):
        self.listening = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listening,), daemon=True).start()

    def close(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        for each in [self.listening, *self.open_sockets]:
            each.close()
        self.open_sockets = []

    def accept(self, listening):
        while True:
            try:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            self.open_sockets += [client, server]
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.pass_on, args=(a, b), daemon=True).start()

    def pass_on(self, a, b):
        try:
            while piece := a.recv(65536):
                b.sendall(piece)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


port = free_port()
way = Way(port)
uri = f"http://127.0.0.1:{way.port}"
(WORK / "recipe.yaml").write_text(
    json.dumps(
        {
            "name": "tracked",
            "output": "run",
            "device": "cpu",
            "threads": 1,
            "student": {
                "config": {
                    "model_type": "llama",
                    "hidden_size": 32,
                    "intermediate_size": 64,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 2,
                },
                "seed": 1,
            },
            "tokenizer": str(ROOT / "data/arithmetic"),
            "dataset": {"generate": {"type": "arithmetic"}, "rows": 4000},
            "evaluation_dataset": {"split": 0.05},
            "trainer": {
                "max_length": 128,
                "per_device_train_batch_size": 8,
                "max_steps": 6000,
                "save_steps": 500,
                "logging_steps": 5,
                "eval_steps": 1000,
            },
            "tracking": ["tensorboard", {"type": "mlflow", "tracking_uri": uri}],
        }
    )
)
run = WORK / "run"
metrics = run / "metrics.jsonl"


def distill():
    return subprocess.Popen(
        ["node", str(ROOT / "dist/cli.js"), "run", str(WORK / "recipe.yaml")],
        stdout=subprocess.DEVNULL,
        stderr=open(WORK / "said", "w"),
    )


steps = lambda: len(metrics.read_text().splitlines())
server = subprocess.Popen(
    [str(BIN / "mlflow"), "server", "--port", str(port), "--backend-store-uri", f"sqlite:///{WORK}/mlflow.db"]
    + ["--artifacts-destination", str(WORK / "artefacts"), "--workers", "1"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)
first = board = None
try:
    client = MlflowClient(tracking_uri=f"http://127.0.0.1:{port}")
    until("the MLflow server", lambda: get(f"http://127.0.0.1:{port}/health"), 300)
    first = distill()

    def told():
        experiment = client.get_experiment_by_name("distill")
        return experiment and client.search_runs([experiment.experiment_id])

    until("the run at MLflow", lambda: told()[0].data.metrics.get("loss"))
    first.send_signal(signal.SIGKILL)
    first.wait()
    killed_at = steps()
    way.close()
    second = distill()
    until("the complaint", lambda: "cannot be told" in (WORK / "said").read_text())
    way.open()
    second.wait(timeout=600)
    said = (WORK / "said").read_text()
    assert second.returncode == 0, said
    about = [line for line in said.splitlines() if line.startswith("mlflow")]
    assert len(about) == 2 and about[1].endswith("is back, and has what it missed."), said
    print("\n".join(about))
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in lines if "loss" in line}

    (found,) = told()
    history = client.get_metric_history(found.info.run_id, "loss")
    assert found.info.status == "FINISHED", found.info.status
    assert sorted(point.step for point in history) == sorted(losses), "each step once"
    assert all(abs(point.value - losses[point.step]) < 1e-12 for point in history)
    assert found.data.params["trainer.max_steps"] == "6000"
    artefacts = sorted(file.path for file in client.list_artifacts(found.info.run_id))
    report = Path(client.download_artifacts(found.info.run_id, "report.html", str(WORK))).read_bytes()
    assert report == (run / "report.html").read_bytes()
    evals = client.get_metric_history(found.info.run_id, "eval_loss")
    print(f"MLflow: 1 run, killed after {killed_at} lines, continued while the server could not be reached, {len(history)} losses and {len(evals)} eval_losses, each once;")
    print(f"  {len(found.data.params)} parameters; artefacts {', '.join(artefacts)}")

    accumulator = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    accumulator.Reload()
    scalars = {event.step: event.value for event in accumulator.Scalars("loss")}
    assert len(accumulator.Scalars("loss")) == len(losses) and set(scalars) == set(losses), "each step once"
    assert all(abs(scalars[step] - loss) < 1e-6 * max(1, abs(loss)) for step, loss in losses.items())
    tb_port = free_port()
    board = subprocess.Popen(
        [str(BIN / "tensorboard"), "--logdir", str(run / "tensorboard"), "--port", str(tb_port), "--samples_per_plugin", "scalars=100000"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    place = f"http://127.0.0.1:{tb_port}/data/plugin"
    shown = until("the scalars in TensorBoard", lambda: json.loads(get(f"{place}/scalars/scalars?run=.&tag=loss")))
    texts = json.loads(get(f"{place}/text/tags"))
    assert sorted({step for _, step, _ in shown}) == sorted(losses) and len(shown) == len(losses), (len(shown), len(losses))
    files = len(list((run / "tensorboard").iterdir()))
    print(f"TensorBoard: {len(shown)} losses shown by its server from {files} files, each step once; {len(accumulator.Tags()['scalars'])} tags; texts {texts}")
finally:
    for process in (first, board):
        if process and process.poll() is None:
            process.kill()
    os.killpg(server.pid, signal.SIGKILL)
