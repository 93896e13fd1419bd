/**
 * @file ONNX Runtime's CPU allocator in numbers: memory is asked for in regions of doubling size and never given back; a
 * request takes the smallest free chunk that holds it, whole unless that is twice as large. What a program needs is what
 * of these regions it ever touches, which is more than what is alive at once.
 */

const UNIT = 256; // bytes; sizes are multiples of it
const FIRST_REGION = 2 ** 20;
const LARGEST_REGION = 2 ** 30;
/** More than this is not left unused at the end of a chunk. */
const MOST_UNUSED = 128 * 2 ** 20;

/** A piece of a region; neighbours are linked, so that free ones can be joined. */
export type Chunk = {
  region: { touched: number };
  start: number;
  size: number;
  free: boolean;
  before: Chunk | undefined;
  after: Chunk | undefined;
};

export class Arena {
  readonly #regions: { touched: number }[] = [];
  readonly #free = new Set<Chunk>();
  #next = FIRST_REGION;

  /** Bytes of all regions that have ever been used. */
  get touched(): number {
    return this.#regions.reduce((sum, { touched }) => sum + touched, 0);
  }

  allocate(bytes: number): Chunk {
    const size = Math.max(UNIT, Math.ceil(bytes / UNIT) * UNIT);
    const chunk = this.#bestFit(size) ?? this.#extend(size);
    this.#free.delete(chunk);
    chunk.free = false;
    if (chunk.size >= 2 * size || chunk.size - size >= MOST_UNUSED) this.#split(chunk, size);
    chunk.region.touched = Math.max(chunk.region.touched, chunk.start + size);
    return chunk;
  }

  release(chunk: Chunk): void {
    chunk.free = true;
    const { before, after } = chunk;
    if (after?.free) this.#join(chunk, after);
    if (before?.free) this.#join(before, chunk);
    else this.#free.add(chunk);
  }

  #bestFit(size: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#free) if (chunk.size >= size && (!best || chunk.size < best.size)) best = chunk;
    return best;
  }

  #extend(size: number): Chunk {
    while (this.#next < size) this.#next *= 2;
    const region = { touched: 0 };
    this.#regions.push(region);
    const chunk = { region, start: 0, size: this.#next, free: true, before: undefined, after: undefined };
    this.#next = Math.max(this.#next, Math.min(2 * this.#next, LARGEST_REGION));
    return chunk;
  }

  #split(chunk: Chunk, size: number): void {
    const { region, start, after } = chunk;
    const rest: Chunk = { region, start: start + size, size: chunk.size - size, free: true, before: chunk, after };
    if (after) after.before = rest;
    chunk.after = rest;
    chunk.size = size;
    this.#free.add(rest);
  }

  /** Make one free chunk of two neighbours. */
  #join(first: Chunk, second: Chunk): void {
    this.#free.delete(second);
    first.size += second.size;
    first.after = second.after;
    if (first.after) first.after.before = first;
  }
}
