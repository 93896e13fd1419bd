import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { explained } from "../../src/runtime/limits.ts";
import { packageTree } from "../support/package-tree.ts";
import { recipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

const noLimit = spawnSync("prlimit", ["--version"]).status === 0 ? false : "needs prlimit";

/** What a process says that has 300 MiB left and asks for 1024. */
function asking(device: string, what: string): string {
  const child = join(import.meta.dirname, "../support/memory-child.js");
  const { stdout, stderr, signal } = spawnSync(process.execPath, [child, device, what], { encoding: "utf8" });
  assert.equal(signal, null, stderr);
  return stdout;
}

const FULL =
  /^The memory of device "cpu" is full: (another 1024 MiB|more) was asked for, and \d+ MB are free\. Take fewer rows .*\.\ngoes on with -1\n$/;

for (const what of ["run", "state"])
  test(`cpu: a ${what} that memory has no room for is a sentence, and the device goes on`, { skip: noLimit }, () => {
    assert.match(asking("cpu", what), FULL);
  });

/** What ONNX Runtime and CUDA were heard to say, and what it means. */
const SAID: [said: string, means: RegExp][] = [
  [
    "Non-zero status code returned while running MatMul node. Name:'m' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*, bool, onnxruntime::WaitNotificationFn) Failed to allocate memory for requested buffer of size 4294967296",
    /^The memory of device "cuda" is full: another 4096 MiB was asked for, and 5 of the card's 9 MiB are free\. Take fewer rows .*, or cuda\.recompute: true, .*\.$/,
  ],
  [
    "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:358 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Available memory of 1024 is smaller than requested bytes of 2097152",
    /another 2 MiB was asked for/,
  ],
  [
    "CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_allocator.cc ; line=47 ; expr=cudaMalloc((void**)&p, size);",
    /^The memory of device "cuda" is full: more was asked for/,
  ],
  [
    "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0",
    /driver is older than the CUDA .* Update the driver, or take device: webgpu\.$/,
  ],
  [
    "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1",
    /the NVIDIA driver shows no card\. .*CUDA_VISIBLE_DEVICES/,
  ],
  ["CUDA failure 101: invalid device ordinal ; GPU=7", /no card of the number that cuda\.device_id gives/],
];

test("what CUDA says of memory, drivers and cards is a sentence each, without ONNX Runtime's places", () => {
  const place = { device: "cuda", free: () => "5 of the card's 9 MiB are free" };
  for (const [said, means] of SAID) {
    const error = explained(new Error(said), place);
    assert.ok(error instanceof DistillError, said);
    assert.match(error.message, means);
    assert.doesNotMatch(error.message, /onnxruntime_src|expr=/);
  }
});

const PLACE = join("bin", "napi-v6", "linux", process.arch);
const noCompiler =
  process.platform === "linux" && spawnSync("cc", ["--version"]).status === 0 ? false : "needs Linux and a C compiler";

test(
  "a CUDA provider whose libraries or driver are missing, or that is another version's, says which",
  { skip: noCompiler },
  () => {
    const top = /onnxruntime-node[\\/](bin|lib|script)$/;
    const tree = packageTree(["onnxruntime-node"], (path) => top.test(path));
    const place = join(tree.package("onnxruntime-node"), PLACE);
    mkdirSync(place, { recursive: true });
    for (const name of readdirSync(resolve("node_modules/onnxruntime-node", PLACE)))
      copyFileSync(resolve("node_modules/onnxruntime-node", PLACE, name), join(place, name));
    const said = (found = tree.openDevice("cuda")) => {
      const { code, err } = found;
      assert.equal(code, 1, err);
      assert.match(err, /^Error: Device "cuda" cannot be used on this machine: .*\n$/);
      return err;
    };
    const folder = scratch();
    const { version } = JSON.parse(
      spawnSync(process.execPath, ["-p", "JSON.stringify(require('onnxruntime-node/package.json'))"], {
        encoding: "utf8",
      }).stdout,
    );
    /** A library that needs another one, which is then gone. */
    const build = (name: string, text: string, needs: string) => {
      const source = join(folder, "x.c");
      writeFileSync(
        source,
        `void *GetProvider(void) { return 0; } void Provider_SetHost(void *host) {} void *Provider_GetHost(void) { return 0; }\nconst char version[] = "\\0" "${text}";\n`,
      );
      const run = (...args: string[]) => assert.equal(spawnSync("cc", args).status, 0, args.join(" "));
      run("-shared", "-fPIC", `-Wl,-soname,${needs}`, "-o", join(folder, needs), source);
      run(
        "-shared",
        "-fPIC",
        "-o",
        join(place, name),
        source,
        ...(name.includes("cuda") ? ["-Wl,--no-as-needed", join(folder, needs), `-Wl,-rpath,/nowhere`] : []),
      );
      rmSync(join(folder, needs));
    };
    const needing = (library: string) => {
      build("libonnxruntime_providers_cuda.so", version, library);
      return said();
    };
    const missing = /libonnxruntime_providers_cuda\.so is not there\./;
    assert.match(said(tree.distill("train", recipe().path, "device=cuda")), missing);
    assert.match(said(), missing);
    build("libonnxruntime_providers_cuda.so", version, "libx.so.1");
    assert.match(said(), /libonnxruntime_providers_shared\.so is not there\./);
    build("libonnxruntime_providers_shared.so", version, "libx.so.1");
    build("libonnxruntime_providers_cuda.so", "1.22.0", "libx.so.1");
    assert.match(said(), /is of another version than ONNX Runtime's library beside it, which is \d/);
    assert.match(
      needing("libcudart.so.12"),
      /providers_cuda\.so needs libcudart\.so\.12, which is not found\. It is CUDA 12's: install that, and name its folder in LD_LIBRARY_PATH\./,
    );
    assert.match(needing("libcudnn.so.9"), /needs libcudnn\.so\.9, which is not found\. It is cuDNN 9's/);
    assert.match(needing("libcuda.so.1"), /needs libcuda\.so\.1, which is not found\. It comes with the NVIDIA driver/);
  },
);
