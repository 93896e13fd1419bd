/** @file cos and sin of positions times frequencies, as tensors that programs are fed. */

import { type Tensor, tensor } from "../runtime/tensor.ts";

/** The rows of a table of cosines and one of sines; it grows with the positions that are asked for. */
export function rotations(frequencies: readonly number[]) {
  const width = frequencies.length;
  let [cos, sin] = [new Float32Array(0), new Float32Array(0)];
  const upTo = (count: number): void => {
    const known = cos.length / width;
    if (count <= known) return;
    const size = Math.max(64, 2 * count) * width;
    const grown = (table: Float32Array, f: (angle: number) => number) => {
      const larger = new Float32Array(size);
      larger.set(table);
      for (let i = known * width; i < size; i++) larger[i] = f(Math.floor(i / width) * frequencies[i % width]!);
      return larger;
    };
    [cos, sin] = [grown(cos, Math.cos), grown(sin, Math.sin)];
  };
  return {
    /** Of these positions: [length, batch, frequencies.length] each, where there are length · batch of them. */
    at(positions: readonly number[], batch: number): { cos: Tensor; sin: Tensor } {
      upTo(positions.reduce((a, b) => Math.max(a, b), 0) + 1);
      const rows = (table: Float32Array): Tensor => {
        const data = new Float32Array(positions.length * width);
        positions.forEach((position, i) => {
          data.set(table.subarray(position * width, (position + 1) * width), i * width);
        });
        return tensor("float32", [positions.length / batch, batch, width], data);
      };
      return { cos: rows(cos), sin: rows(sin) };
    },
  };
}
