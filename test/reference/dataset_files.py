"""Write the files of test/data/brought as other programs write them: pyarrow, datasets, gzip and zstd.

Run: .venv/bin/python test/reference/dataset_files.py
"""

import gzip
import json
import os
import shutil
import subprocess
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as parquet
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

FOLDER = "test/data/brought"
shutil.rmtree(FOLDER, ignore_errors=True)
os.makedirs(FOLDER)
at = lambda name: os.path.join(FOLDER, name)

questions = [f"Is {i} even?" for i in range(5)]
answers = ["yes" if i % 2 == 0 else "no – ¡jamás!" for i in range(5)]
pairs = {"prompt": questions, "completion": answers}
lines = "".join(json.dumps({"prompt": q, "completion": a}, ensure_ascii=False) + "\n" for q, a in zip(questions, answers))

with gzip.open(at("lines.jsonl.gz"), "wb") as file:
    file.write(lines.encode())
subprocess.run(["zstd", "-q", "-f", "-o", at("lines.jsonl.zst")], input=lines.encode(), check=True)

# columns of every type beside the two that are read
beside = {
    "int64": pa.array([2**60 + i for i in range(5)], pa.int64()),
    "uint64": pa.array(range(5), pa.uint64()),
    "float": pa.array([i / 3 for i in range(5)], pa.float32()),
    "bool": pa.array([True, None, False, True, None]),
    "date": pa.array([date(2024, 1, 1 + i) for i in range(5)]),
    "timestamp": pa.array([datetime(2024, 1, 1, i) for i in range(5)], pa.timestamp("us", tz="UTC")),
    "time": pa.array([time(i) for i in range(5)]),
    "duration": pa.array([timedelta(seconds=i) for i in range(5)]),
    "decimal": pa.array([Decimal(i) / 8 for i in range(5)], pa.decimal128(10, 4)),
    "binary": pa.array([bytes([255, i]) for i in range(5)]),
    "fixed": pa.array([[i, i] for i in range(5)], pa.list_(pa.int16(), 2)),
    "map": pa.array([[("a", i)] for i in range(5)], pa.map_(pa.string(), pa.int32())),
    "category": pa.array(["a", "b", "a", None, "b"]).dictionary_encode(),
    "nothing": pa.nulls(5),
}
strings = {
    "utf8": pa.string(),
    "large": pa.large_string(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}
for name, kind in strings.items():
    columns = {key: pa.array(values).cast(kind) for key, values in pairs.items()}
    feather.write_feather(pa.table({**columns, **beside}), at(f"{name}.feather"), compression="uncompressed")
for compression in ["lz4", "zstd"]:
    feather.write_feather(pa.table({**pairs, "int64": beside["int64"]}), at(f"{compression}.feather"), compression=compression)
feather.write_feather(pa.table(pairs), at("old.feather"), version=1)
with pa.OSFile(at("view.arrow"), "wb") as sink:
    table = pa.table({key: pa.array(values, pa.string_view()) for key, values in pairs.items()})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
with pa.OSFile(at("not-utf8.arrow"), "wb") as sink:
    broken = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    table = pa.table({"prompt": pa.array(["a"]), "completion": broken})
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)

for compression in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    table = pa.table({**pairs, "int64": beside["int64"], "date": beside["date"]})
    parquet.write_table(table, at(f"{compression}.parquet"), compression=compression, row_group_size=2)
parquet.write_table(pa.table({"prompt": pa.array(["a"]), "completion": broken}), at("not-utf8.parquet"))

turns = [[{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in zip(questions, answers)]
parquet.write_table(pa.table({"messages": turns}), at("messages.parquet"))

plain = Dataset.from_dict({"id": list(range(5)), **pairs})
plain.save_to_disk(at("saved"))
DatasetDict({"train": plain, "held-out": plain.select(range(2))}).save_to_disk(at("splits"))
features = Features({"prompt": Value("string"), "completion": Value("string"), "label": ClassLabel(names=["odd", "even"])})
Dataset.from_dict({**pairs, "label": [i % 2 for i in range(5)]}, features=features).save_to_disk(at("labelled"))
Dataset.from_dict({"id": [7, 2**53 + 1], "prompt": ["a", "b"], "answer": ["1", "2"]}).save_to_disk(at("questions"))
called = [
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": "I look.", "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"at": "this"}}}]},
]
other = [
    {"role": "user", "content": "Count."},
    {"role": "assistant", "content": "I count.", "tool_calls": [{"type": "function", "function": {"name": "count", "arguments": {"to": 3}}}]},
]
Dataset.from_list([{"messages": called}, {"messages": other}]).save_to_disk(at("calls"))

repository = at("repository/data")
os.makedirs(repository)
for split, length in [("train", 5), ("test", 2)]:
    table = pa.table({key: values[:length] for key, values in pairs.items()})
    parquet.write_table(table, f"{repository}/{split}-00000-of-00001.parquet")
for folder, _, files in os.walk(FOLDER):
    for name in files:
        if name.startswith("cache-"):
            os.remove(os.path.join(folder, name))
