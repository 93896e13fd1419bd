/** @file An ONNX file whose weights come one at a time, with data files beside it where it would grow too large. */

import { basename } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { writeWholeFrom } from "../../core/files.ts";
import { layOutOnnx, type OnnxModel, type StoredTensor } from "../../formats/onnx.ts";

/** Pages of memory: a runtime can map what begins with one. */
const ALIGNMENT = 4096;
/** Smaller tensors stay in the model: ONNX Runtime needs some of them while it reads it. */
const SMALLEST_EXTERNAL = 1024;
/** transformers.js looks for no more data files than this. */
const MOST_FILES = 100;

/**
 * Write a model and its weights, whose bytes come in the order of `tensors`. Where that is more than `limit` bytes, weights
 * go to `<file>_data`, `<file>_data_1`, … of at most that many bytes. Returns how many data files there are, and all bytes.
 */
export async function writeOnnx(
  path: string,
  model: OnnxModel,
  tensors: readonly StoredTensor[],
  contents: Iterable<Uint8Array>,
  limit: number,
): Promise<{ files: number; bytes: number }> {
  const inline = layOutOnnx(model, tensors);
  const iterator = contents[Symbol.iterator]();
  const next = ({ name, bytes }: StoredTensor): Uint8Array => {
    const content = iterator.next().value as Uint8Array;
    if (content.byteLength !== bytes) throw new Error(`${name} was laid out with ${bytes} bytes.`);
    return content;
  };
  try {
    if (inline.size <= limit) {
      await writeWholeFrom(path, pieces(inline, tensors, next));
      return { files: 0, bytes: inline.size };
    }
    return await writeSplit(path, model, split(path, tensors, limit), next);
  } finally {
    iterator.return?.();
  }
}

type LaidOut = ReturnType<typeof layOutOnnx>;
type Next = (tensor: StoredTensor) => Uint8Array;

async function* pieces({ head, heads }: LaidOut, tensors: readonly StoredTensor[], next: Next) {
  yield head;
  for (const [i, tensor] of tensors.entries()) {
    yield heads[i]!;
    if (!tensor.external) yield next(tensor);
  }
}

async function writeSplit(path: string, model: OnnxModel, tensors: readonly StoredTensor[], next: Next) {
  const kept = new Map<StoredTensor, Uint8Array>();
  const queue = [...tensors];
  let bytes = 0;
  async function* dataOf(location: string) {
    let at = 0;
    while (queue[0] && (queue[0].external?.location ?? location) === location) {
      const tensor = queue.shift()!;
      const content = next(tensor);
      if (!tensor.external) kept.set(tensor, content.slice());
      else {
        yield new Uint8Array(tensor.external.offset - at);
        yield content;
        at = tensor.external.offset + tensor.bytes;
      }
    }
    bytes += at;
  }
  const locations = [...new Set(tensors.flatMap(({ external }) => external?.location ?? []))];
  for (const location of locations)
    await writeWholeFrom(`${path.slice(0, -basename(path).length)}${location}`, dataOf(location));
  const laidOut = layOutOnnx(model, tensors);
  await writeWholeFrom(
    path,
    pieces(laidOut, tensors, (tensor) => kept.get(tensor)!),
  );
  return { files: locations.length, bytes: bytes + laidOut.size };
}

/** The same tensors, all but small ones with a place in a data file. One that is larger than the limit has a file to itself. */
function split(path: string, tensors: readonly StoredTensor[], limit: number): StoredTensor[] {
  let [file, end] = [0, 0];
  const placed = tensors.map((tensor): StoredTensor => {
    if (tensor.bytes < SMALLEST_EXTERNAL) return tensor;
    let offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    if (offset > 0 && offset + tensor.bytes > limit) {
      file++;
      offset = 0;
    }
    end = offset + tensor.bytes;
    const location = `${basename(path)}_data${file === 0 ? "" : `_${file}`}`;
    return { ...tensor, external: { location, offset } };
  });
  if (file >= MOST_FILES)
    throw new DistillError(
      `${basename(path)} would need ${file + 1} data files of ${limit} bytes; at most ${MOST_FILES} are looked for. Raise max_file_bytes.`,
    );
  return placed;
}
