import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena, type Chunk } from "../../src/compiler/arena.ts";
import { seededRandom } from "../../src/core/random.ts";

test("what is in use never overlaps, and what is free is joined again", () => {
  const random = seededRandom(1);
  const arena = new Arena();
  const used = new Map<Chunk, number>();
  let [alive, most] = [0, 0];
  for (let i = 0; i < 3000; i++) {
    if (used.size > 0 && random.uniform() < 0.48) {
      const chunk = [...used.keys()][random.below(used.size)]!;
      alive -= used.get(chunk)!;
      used.delete(chunk);
      arena.release(chunk);
    } else {
      const bytes = 1 + random.below(2 ** (8 + random.below(14)));
      const chunk = arena.allocate(bytes);
      assert.ok(chunk.size >= bytes && !chunk.free);
      for (const other of used.keys())
        assert.ok(
          other.region !== chunk.region ||
            other.start + other.size <= chunk.start ||
            chunk.start + chunk.size <= other.start,
        );
      used.set(chunk, bytes);
      alive += bytes;
    }
    most = Math.max(most, alive);
    assert.ok(arena.touched >= most);
  }
  for (const chunk of used.keys()) arena.release(chunk);
  const { touched } = arena;
  const whole = arena.allocate(2 ** 20);
  assert.equal(whole.before, undefined, "a region that is free is one chunk");
  assert.ok(arena.touched <= Math.max(touched, touched + 2 ** 20));
});

test("regions double, and a chunk is split only where half of it would be left", () => {
  const arena = new Arena();
  const [a, b] = [arena.allocate(700 * 1024), arena.allocate(300 * 1024)];
  assert.equal(a.size, 2 ** 20, "the first region is 1 MiB and goes whole");
  assert.equal(b.size, 300 * 1024, "the second is 2 MiB and is split");
  assert.notEqual(a.region, b.region);
  assert.equal(arena.touched, 1000 * 1024);
  arena.release(a);
  assert.equal(arena.allocate(600 * 1024).region, a.region, "the smallest free chunk is taken");
});
