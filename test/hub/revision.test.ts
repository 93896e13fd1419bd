import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { seededRandom } from "../../src/core/random.ts";
import { formatHubReference, parseHubReference } from "../../src/hub/reference.ts";
import { openHubRevision } from "../../src/hub/revision.ts";
import { type HubSettings, hubSettings } from "../../src/hub/settings.ts";
import { type FakeFiles, gitHash, sha256, startHub } from "../support/hub.ts";
import { scratch } from "../support/students.ts";

const random = seededRandom(5);
const WEIGHTS = Buffer.from(Array.from({ length: 300_000 }, () => random.below(256)));
const FILES: FakeFiles = {
  "README.md": "a model",
  "config.json": '{"model_type":"llama"}',
  "model.safetensors": WEIGHTS,
  "onnx/model.onnx": "onnx",
  "tokenizer.json": "{}",
  "tokenizer_config.json": "{}",
  "vocab.txt": "x",
};
const OWN = "some/model";

/** A hub with one model, and settings with a cache of their own. */
async function hubOf(files: FakeFiles = FILES) {
  const hub = await startHub();
  const commit = hub.commit(OWN, files);
  const settings: HubSettings = {
    endpoint: hub.endpoint,
    cache: join(scratch(), "hub"),
    token: undefined,
    offline: false,
  };
  const blobs = join(settings.cache, "models--some--model", "blobs");
  return { hub, commit, settings, blobs };
}

const MAIN = parseHubReference("hf:some/model");
const bytesAsked = (hub: Awaited<ReturnType<typeof startHub>>) =>
  hub.requests.filter(({ host }) => host === "cdn").map(({ range }) => range);

test("a reference says owner, name, revision and file, and reads as it is written", () => {
  assert.deepEqual(parseHubReference("hf:a/b-c.d"), { type: "model", name: "a/b-c.d", revision: "main" });
  assert.deepEqual(parseHubReference("hf:a/b@refs/pr/1:onnx/model_q4.onnx"), {
    type: "model",
    name: "a/b",
    revision: "refs/pr/1",
    file: "onnx/model_q4.onnx",
  });
  assert.deepEqual(parseHubReference("hf:datasets/a/b:x.jsonl").type, "dataset");
  for (const text of ["hf:a/b@main", "hf:a/b@v1:x y.gguf", "hf:datasets/a/b@main:data/x.jsonl"])
    assert.equal(formatHubReference(parseHubReference(text)), text);
  for (const text of [
    "hf:",
    "hf:a",
    "hf:a/b/c",
    "hf:../b",
    "hf:a/..",
    "hf:a/b:../x",
    "hf:a/b:/x",
    "hf:a/b@../x",
    "hf:a/b@",
    "hf:a/b:",
    "hf:a--b/c",
    "hf:a/b:x//y",
    "hf:a/b:x\\..\\y",
  ])
    assert.throws(() => parseHubReference(text), /is not a reference to the hub\. Expected hf:owner\/name/, text);
});

test("what is needed is fetched and nothing else, into the layout that Python's cache has", async () => {
  const { hub, commit, settings } = await hubOf();
  const revision = await openHubRevision(MAIN, settings);
  assert.equal(revision.commit, commit);
  assert.ok(await revision.need(["config.json", "model.safetensors"]));
  assert.ok(await revision.need(["tokenizer.json", "chat_template.jinja"], true));
  const repository = join(settings.cache, "models--some--model");
  assert.equal(revision.folder, join(repository, "snapshots", commit));
  assert.deepEqual(readdirSync(revision.folder).sort(), ["config.json", "model.safetensors", "tokenizer.json"]);
  assert.deepEqual(readFileSync(join(revision.folder, "model.safetensors")), WEIGHTS);
  assert.equal(readlinkSync(join(revision.folder, "model.safetensors")), `../../blobs/${sha256(WEIGHTS)}`);
  assert.equal(
    readlinkSync(join(revision.folder, "config.json")),
    `../../blobs/${gitHash(Buffer.from(FILES["config.json"]!))}`,
  );
  assert.equal(readFileSync(join(repository, "refs", "main"), "utf8"), commit);

  const before = hub.requests.length;
  const again = await openHubRevision(MAIN, settings);
  await again.need(["config.json", "model.safetensors"]);
  assert.ok(
    hub.requests.slice(before).every(({ path }) => path.startsWith("/api/")),
    "no content a second time",
  );
  await assert.rejects(
    again.need(["model.gguf"]),
    /hf:some\/model@main has no file model\.gguf\. There are: README\.md, config\.json, model\.safetensors, tokenizer/,
  );
  await assert.rejects(again.need(["gguf/model.gguf"]), /has no file gguf\/model\.gguf\. There are none beside it/);
});

test("content that another commit has is not fetched again", async () => {
  const { hub, settings } = await hubOf();
  await (await openHubRevision(MAIN, settings)).need(["model.safetensors"]);
  const next = hub.commit(OWN, { ...FILES, "config.json": "{}" });
  const revision = await openHubRevision(MAIN, settings);
  await revision.need(["config.json", "model.safetensors"]);
  assert.equal(revision.commit, next);
  assert.deepEqual(bytesAsked(hub), [undefined]);
  assert.deepEqual(readFileSync(join(revision.folder, "model.safetensors")), WEIGHTS);
});

test("a connection that is cut is taken up where it was cut", async () => {
  const { hub, settings } = await hubOf();
  hub.faults.cut = { file: "model.safetensors", bytes: 100_000, times: 2 };
  const revision = await openHubRevision(MAIN, settings);
  await revision.need(["model.safetensors"]);
  assert.deepEqual(readFileSync(join(revision.folder, "model.safetensors")), WEIGHTS);
  const [first, ...others] = bytesAsked(hub);
  assert.equal(first, undefined);
  const starts = others.map((range) => Number(/^bytes=(\d+)-$/.exec(range!)![1]));
  assert.equal(starts.length, 2);
  assert.ok(0 < starts[0]! && starts[0]! < starts[1]! && starts[1]! <= 200_000, `${starts}`);
});

test("what a killed run left is gone on with, and where ranges are not known it begins again", async () => {
  for (const whole of [false, true]) {
    const { hub, settings, blobs } = await hubOf();
    hub.faults.whole = whole;
    mkdirSync(blobs, { recursive: true });
    writeFileSync(join(blobs, `${sha256(WEIGHTS)}.incomplete`), WEIGHTS.subarray(0, 123_456));
    const revision = await openHubRevision(MAIN, settings);
    await revision.need(["model.safetensors"]);
    assert.deepEqual(readFileSync(join(revision.folder, "model.safetensors")), WEIGHTS);
    assert.deepEqual(bytesAsked(hub), ["bytes=123456-"]);
    assert.deepEqual(readdirSync(blobs), [sha256(WEIGHTS)]);
  }
});

test("a file with another checksum is thrown away and named, and comes whole the next time", async () => {
  for (const file of ["model.safetensors", "config.json"]) {
    const { hub, settings, blobs } = await hubOf();
    hub.faults.corrupt = file;
    const revision = await openHubRevision(MAIN, settings);
    await assert.rejects(
      revision.need([file]),
      new RegExp(
        `${file} of hf:some/model@main came broken: its (sha256|git hash) is \\w+, and the hub says \\w+\\. It was thrown away`,
      ),
    );
    assert.deepEqual(readdirSync(blobs), []);
    assert.ok(!existsSync(join(revision.folder, file)));
    hub.faults.corrupt = undefined;
    await revision.need([file]);
    assert.deepEqual(readFileSync(join(revision.folder, file)), Buffer.from(FILES[file]!));
  }
  const { settings, blobs } = await hubOf();
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, `${sha256(WEIGHTS)}.incomplete`), "something else");
  const revision = await openHubRevision(MAIN, settings);
  await assert.rejects(revision.need(["model.safetensors"]), /came broken/);
  await revision.need(["model.safetensors"]);
});

test("two that fetch the same file at once do not disturb each other", async () => {
  const { hub, settings, blobs } = await hubOf();
  hub.faults.slow = { file: "model.safetensors", bytes: 30_000, ms: 2 };
  const revisions = await Promise.all([0, 1, 2].map(() => openHubRevision(MAIN, settings)));
  await Promise.all(revisions.map(({ need }) => need(["model.safetensors"])));
  assert.deepEqual(readFileSync(join(blobs, sha256(WEIGHTS))), WEIGHTS);
  assert.deepEqual(readdirSync(blobs), [sha256(WEIGHTS)]);
});

test("a connection that is cut for good ends in one sentence, and what came is kept", async () => {
  const { hub, settings, blobs } = await hubOf();
  hub.faults.cut = { file: "model.safetensors", bytes: 1000, times: 1 };
  const revision = await openHubRevision(MAIN, settings);
  const { need } = revision;
  await revision.files("");
  await hub.close();
  mkdirSync(blobs, { recursive: true });
  writeFileSync(join(blobs, `${sha256(WEIGHTS)}.incomplete`), WEIGHTS.subarray(0, 1000));
  await assert.rejects(
    need(["model.safetensors"]),
    /model\.safetensors of hf:some\/model@main cannot be fetched: .*ECONNREFUSED.*\. 1000 of 300000 bytes are kept/,
  );
  assert.equal(statSync(join(blobs, `${sha256(WEIGHTS)}.incomplete`)).size, 1000);
});

test("the token goes to the hub and to no other host; without it the refusal says what to do", async () => {
  const { hub, settings } = await hubOf();
  hub.faults.gated = "hf_secret";
  await assert.rejects(
    openHubRevision(MAIN, settings),
    /does not give hf:some\/model@main \(401\): it does not exist, or it is private or gated\. .*set HF_TOKEN/,
  );
  const revision = await openHubRevision(MAIN, { ...settings, token: "hf_secret" });
  hub.requests.length = 0;
  await revision.need(["model.safetensors", "config.json"]);
  assert.ok(hub.requests.some(({ host }) => host === "cdn"));
  for (const { host, token } of hub.requests) assert.equal(token, host === "hub" ? "Bearer hf_secret" : undefined);
});

test("a revision that is not there is named", async () => {
  const { settings } = await hubOf();
  await assert.rejects(
    openHubRevision(parseHubReference("hf:some/model@v9"), settings),
    /The hub has no model some\/model with a revision v9 \(404\)/,
  );
});

test("offline the cached commit is taken, and without one there is one sentence", async () => {
  const { hub, commit, settings } = await hubOf();
  const offline = { ...settings, offline: true };
  await assert.rejects(
    openHubRevision(MAIN, offline),
    /^DistillError: hf:some\/model@main is not in the cache \(.*models--some--model\), and HF_HUB_OFFLINE says not to ask the hub\. Fetch it once/,
  );
  await (await openHubRevision(MAIN, settings)).need(["config.json", "onnx/model.onnx"]);
  hub.requests.length = 0;
  for (const reference of [MAIN, { ...MAIN, revision: commit }]) {
    const revision = await openHubRevision(reference, offline);
    assert.equal(revision.commit, commit);
    assert.ok(await revision.need(["config.json", "onnx/model.onnx"]));
    assert.deepEqual(await revision.files(""), ["config.json"]);
    await assert.rejects(
      revision.need(["tokenizer.json"]),
      /is in the cache without tokenizer\.json, and HF_HUB_OFFLINE/,
    );
  }
  assert.equal(hub.requests.length, 0);
  await hub.close();
  assert.equal((await openHubRevision(MAIN, settings)).commit, commit);
  await assert.rejects(
    openHubRevision(parseHubReference("hf:other/model"), settings),
    /hf:other\/model@main is not in the cache .*the hub at http:\/\/127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED/,
  );
});

test("a hub that fails is as one that cannot be reached", async () => {
  const { hub, commit, settings } = await hubOf();
  await (await openHubRevision(MAIN, settings)).need(["config.json"]);
  hub.faults.answers = { "/api/": 503 };
  assert.equal((await openHubRevision(MAIN, settings)).commit, commit);
});

test("a hub that is gone between two questions is one sentence", async () => {
  const { hub, settings } = await hubOf();
  const { need } = await openHubRevision(MAIN, settings);
  hub.faults.answers = { "/api/models/some/model/tree": 502 };
  await assert.rejects(
    need(["config.json"]),
    /^DistillError: The files of hf:some\/model@main cannot be listed: the hub at http.* cannot be reached any more \(it answers 502\)/,
  );
});

test("a hub that lies is refused in a sentence", async () => {
  const entry = { type: "file", path: "config.json", size: 3, oid: "a".repeat(40) };
  const lies: [what: string, at: "revision" | "tree", answer: unknown, sentence: RegExp][] = [
    ["a commit that is a path", "revision", { sha: "../../../etc" }, /gives "\.\.\/\.\.\/\.\.\/etc" as the commit/],
    ["no commit", "revision", {}, /gives undefined as the commit/],
    ["no JSON", "revision", "<html>", /is not valid JSON|cannot be read/],
    ["an answer without end", "revision", " ".repeat(40 << 20), /more than 33554432 bytes/],
    ["a hash that is a path", "tree", [{ ...entry, oid: "../x" }], /list of the files .* cannot be read/],
    ["a checksum that is a path", "tree", [{ ...entry, lfs: { oid: "../../x", size: 3 } }], /cannot be read/],
    ["a size below nothing", "tree", [{ ...entry, size: -1 }], /cannot be read/],
    ["a size beyond all disks", "tree", [{ ...entry, size: 2 ** 60 }], /cannot be read/],
    ["a size beyond this disk", "tree", [{ ...entry, size: 2 ** 41 }], /needs 2199\.0 GB, and .* has room for/],
    ["a file that is elsewhere", "tree", [{ ...entry, path: "../../config.json" }], /has no file config\.json/],
    ["more bytes than it says", "tree", [entry], /config\.json of .* is longer than the 3 bytes/],
    [
      "too many files",
      "tree",
      Array.from({ length: 10_001 }, (_, i) => ({ ...entry, path: `f${i}` })),
      /more than 10000/,
    ],
    ["no list", "tree", { error: "no" }, /cannot be read: .*not iterable/],
  ];
  for (const [what, at, answer, sentence] of lies) {
    const { hub, settings } = await hubOf();
    hub.faults.answers = { [`/api/models/some/model/${at}`]: answer };
    const attempt = async () => (await openHubRevision(MAIN, settings)).need(["config.json"]);
    await assert.rejects(
      attempt,
      (error: Error) => error.name === "DistillError" && sentence.test(error.message),
      what,
    );
    const left = existsSync(settings.cache) ? (readdirSync(settings.cache, { recursive: true }) as string[]) : [];
    const files = left.filter((path) => lstatSync(join(settings.cache, path)).isFile());
    assert.deepEqual(
      files.filter((path) => !path.endsWith(".incomplete")),
      [],
      what,
    );
    await hub.close();
  }
});

test("a list of files that goes on at another host is not followed", async () => {
  const { hub, settings } = await hubOf();
  const other = await startHub();
  other.commit(OWN, FILES);
  const revision = await openHubRevision(MAIN, settings);
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    const link = response.headers.get("link");
    if (!link) return response;
    const headers = new Headers(response.headers);
    headers.set("link", link.replaceAll(hub.endpoint, other.endpoint));
    return new Response(await response.arrayBuffer(), { status: response.status, headers });
  };
  try {
    await assert.rejects(revision.files(""), /The hub sends on to http:\/\/127\.0\.0\.1:\d+ for its list of files/);
  } finally {
    globalThis.fetch = fetch;
  }
  assert.equal(other.requests.length, 0);
});

test("the environment names cache, token and endpoint as it does for Hugging Face's own tools", () => {
  const home = scratch();
  const saved = { ...process.env };
  const names = [
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
  ];
  const under = (env: Record<string, string>) => {
    for (const name of names) delete process.env[name];
    Object.assign(process.env, env);
    return hubSettings();
  };
  try {
    assert.deepEqual(under({ HF_HOME: home }), {
      endpoint: "https://huggingface.co",
      cache: join(home, "hub"),
      token: undefined,
      offline: false,
    });
    writeFileSync(join(home, "token"), "hf_file\n");
    assert.equal(under({ HF_HOME: home }).token, "hf_file");
    assert.equal(under({ HF_HOME: home, HF_HUB_CACHE: "/else" }).token, "hf_file");
    assert.equal(under({ HF_HOME: "/else", HF_TOKEN_PATH: join(home, "token") }).token, "hf_file");
    assert.equal(under({ HF_HOME: home, HF_TOKEN: " hf_variable " }).token, "hf_variable");
    assert.equal(under({ HF_HOME: home, HF_HUB_CACHE: "/else" }).cache, "/else");
    assert.equal(under({ HF_HUB_OFFLINE: "1" }).offline, true);
    assert.equal(under({ HF_HUB_OFFLINE: "0" }).offline, false);
    assert.equal(under({ HF_ENDPOINT: "http://mirror:8000/hub/" }).endpoint, "http://mirror:8000/hub");
    assert.throws(() => under({ HF_ENDPOINT: "mirror" }), /HF_ENDPOINT is "mirror"\. Expected an address/);
    assert.throws(() => under({ HF_TOKEN: "hf_a\nb" }), /holds characters that no token has/);
  } finally {
    for (const name of names) delete process.env[name];
    Object.assign(process.env, saved);
  }
});

const PYTHON = ".venv/bin/python";
const run = promisify(execFile);

test(
  "Python's huggingface_hub finds what was fetched here, and the other way round",
  { skip: !existsSync(PYTHON) && "there is no .venv with Python's huggingface_hub" },
  async () => {
    const { hub, commit, settings } = await hubOf();
    const python = async (offline: string, code: string) => {
      const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: settings.cache, HF_HUB_OFFLINE: offline };
      return (await run(PYTHON, ["-c", code], { env: { ...env, HF_HUB_DISABLE_XET: "1" } })).stdout.trim();
    };
    const revision = await openHubRevision(MAIN, settings);
    await revision.need(["config.json", "model.safetensors"]);
    const scan =
      "; r=[*h.scan_cache_dir().repos][0]; v=[*r.revisions][0]; print(r.repo_id, v.commit_hash, sorted(v.refs), r.size_on_disk)";
    assert.deepEqual(
      (await python("1", `import huggingface_hub as h; print(h.snapshot_download("some/model"))${scan}`)).split("\n"),
      [revision.folder, `some/model ${commit} ['main'] ${WEIGHTS.length + FILES["config.json"]!.length}`],
    );
    await python(
      "0",
      'import huggingface_hub as h; h.hf_hub_download("some/model", "tokenizer.json"); h.hf_hub_download("some/model", "onnx/model.onnx")',
    );
    const offline = await openHubRevision(MAIN, { ...settings, offline: true });
    assert.ok(await offline.need(["tokenizer.json", "onnx/model.onnx", "model.safetensors"]));
  },
);
