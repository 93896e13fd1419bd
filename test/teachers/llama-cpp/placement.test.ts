import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { DistillError } from "../../../src/core/errors.ts";
import { llama_cpp } from "../../../src/teachers/llama_cpp.ts";
import { fittingSequences, largestFitting, type Memory } from "../../../src/teachers/llama-cpp/sequences.ts";
import { type Gpu, startLlama } from "../../../src/teachers/llama-cpp/start.ts";
import { describePlacement } from "../../../src/teachers/teacher.ts";
import { whyNoVulkan } from "../../support/vulkan.ts";

const TEACHER = "data/models/stories-teacher-q8_0.gguf";

test("the number of sequences is the largest whose memory is free", async () => {
  const memoryOf = async (n: number): Promise<Memory> => ({ cpuRam: 10 + n, gpuVram: 100 + 7 * n });
  for (const most of [1, 2, 31, 128])
    for (const free of [0, 107, 113, 114, 500, 1e6])
      for (const ram of [0, 12, 45, 1e6]) {
        let expected = 0;
        for (let n = 1; n <= most; n++) if (10 + n <= ram && 100 + 7 * n <= free) expected = n;
        const room = { cpuRam: ram, gpuVram: free };
        assert.equal(await largestFitting(memoryOf, room, most), expected, `${most} ${free} ${ram}`);
      }
});

test("a context that fits nowhere is refused with what it needs and what there is", async () => {
  const started = await startLlama(false);
  const model = await started.llama.loadModel({ modelPath: TEACHER });
  const { sequences, memory } = await fittingSequences(started, model, 512, 512);
  assert.ok(sequences >= 1 && sequences <= 32 && memory.cpuRam > 0);
  const full = { ...started, llama: Object.create(started.llama, { ramPaddingSize: { value: 1e15 } }) };
  await assert.rejects(
    fittingSequences(full, model, 512, 512),
    (error) =>
      error instanceof DistillError &&
      /no room for one sequence of 512 tokens: it needs \d+ MB of memory, and there are 0 MB/.test(error.message),
  );
  await model.dispose();
  const given = { path: TEACHER, gpu: false, sequences: 256, context_size: 2 ** 22 };
  await assert.rejects(
    llama_cpp.create(llama_cpp.options.parse(given)),
    /256 sequences of 4194304 tokens take \d+ MB of memory, and \d+ are free\. Lower teacher\.sequences/,
  );
});

test("a teacher says where it runs", async () => {
  const teacher = await llama_cpp.create(llama_cpp.options.parse({ path: TEACHER, gpu: false, context_size: 256 }));
  const { placement } = teacher;
  assert.equal(placement!.backend, "cpu");
  assert.equal(placement!.gpu_layers, 0);
  assert.match(describePlacement(placement!), /^on the CPU; \d+ sequences of 256 tokens in \d+ MB$/);
  await teacher.close();
});

test("a backend that the machine's system does not have is refused, not replaced", async () => {
  const foreign: Gpu = process.platform === "darwin" ? "cuda" : "metal";
  await assert.rejects(
    startLlama(foreign),
    /cannot run on (cuda|metal): there is none on \w+\. Set teacher\.gpu to auto/,
  );
});

test("cuda without NVIDIA's driver is refused with what is missing", { skip: hasNvidia() }, async () => {
  await assert.rejects(
    startLlama("cuda"),
    (error) =>
      error instanceof DistillError && /cannot run on cuda: (its libraries|.*none on darwin)/.test(error.message),
  );
});

test(
  "vulkan without a card that llama.cpp can use is refused, and auto is then the CPU",
  { skip: whyNoVulkan() ?? (softwareOnly() ? false : "there is a card") },
  async () => {
    await assert.rejects(startLlama("vulkan"), /cannot run on vulkan: it finds no card that it can use/);
    assert.equal((await startLlama("auto")).backend, "cpu");
  },
);

function hasNvidia(): string | false {
  try {
    execFileSync("nvidia-smi", { stdio: "ignore" });
    return "there is a card";
  } catch {
    return false;
  }
}

/** Whether the driver that tests of WebGPU choose computes on the CPU. */
function softwareOnly(): boolean {
  return /swiftshader|lvp|lavapipe/.test(process.env.VK_DRIVER_FILES ?? "");
}
