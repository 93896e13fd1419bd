import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { keptImage } from "../../src/rewards/sandbox/kept-image.ts";
import { SUM_BYTES } from "../../src/rewards/sandbox/protocol.ts";
import { extent } from "../support/extent.ts";
import { scratch } from "../support/students.ts";

const own = process.env.XDG_CACHE_HOME;
const folder = scratch();
let [caches, code] = ["", ""];
let made = 0;

beforeEach(() => {
  [caches, code] = [mkdtempSync(join(folder, "caches-")), mkdtempSync(join(folder, "code-"))];
  writeFileSync(join(code, "realm.js"), "one");
  process.env.XDG_CACHE_HOME = caches;
  made = 0;
});
afterEach(() => {
  if (own === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = own;
});

const image = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const kept = () =>
  keptImage(code, async () => {
    made++;
    return image;
  });
const whole = (path: string) => assert.deepEqual([...readFileSync(path).subarray(0, -SUM_BYTES)], [...image]);

test("an image is made once, and again where it is cut, changed, empty or of other code", async () => {
  const path = await kept();
  whole(path);
  assert.deepEqual([await kept(), made], [path, 1]);
  const harms = [
    () => truncateSync(path, 500),
    () => truncateSync(path, 0),
    () => {
      const bytes = readFileSync(path);
      bytes[700]! ^= 1;
      writeFileSync(path, bytes);
    },
    () => {
      const bytes = readFileSync(path);
      bytes[bytes.length - 1]! ^= 128;
      writeFileSync(path, bytes);
    },
  ];
  for (const [i, harm] of harms.entries()) {
    harm();
    assert.deepEqual([await kept(), made], [path, 2 + i]);
    whole(path);
  }
  writeFileSync(join(code, "realm.js"), "two");
  const other = await kept();
  assert.notEqual(other, path);
  whole(other);
});

test("images of releases that are long gone are removed, and nothing else", async () => {
  const place = join(await kept(), "..");
  const [old, recent, users] = ["python-0123456789abcdef.image", "python-fedcba9876543210.image", "python.image"];
  for (const name of [old, recent, users]) writeFileSync(join(place, name), "x");
  for (const name of [old, users]) utimesSync(join(place, name), 1e9, 1e9);
  writeFileSync(join(code, "realm.js"), "three");
  await kept();
  assert.deepEqual(
    [old, recent, users].map((name) => existsSync(join(place, name))),
    [false, true, true],
  );
  assert.deepEqual(
    readdirSync(place).filter((name) => name.endsWith(".tmp")),
    [],
  );
});

test(
  "Python is judged where nothing can be kept",
  { skip: extent<string | false>("it takes long: npm run test:long", false) },
  async () => {
    const code = pathToFileURL(resolve(import.meta.dirname, "../../src/rewards/code.js")).href;
    const program = `const { code } = await import(${JSON.stringify(code)});
      const judge = code.create(code.options.parse({ language: "python", engine: "wasm", processes: 1 }));
      const answer = JSON.stringify({ language: "python", stdin_tests: [{ input: "", output: "3" }] });
      console.log((await judge({ prompt: "", completion: "\`\`\`python\\nprint(1 + 2)\\n\`\`\`", answer })).verdict);`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      env: { ...process.env, XDG_CACHE_HOME: "/dev/null/caches" },
      encoding: "utf8",
    });
    assert.equal(stdout, "correct\n");
  },
);
