import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hasAmx } from "../../support/amx.ts";
import { extent } from "../../support/extent.ts";

const skip = process.platform !== "linux" || process.arch !== "x64" ? "builds are looked up on Linux on x64" : false;
const child = join(import.meta.dirname, "../../support/llama-cpu-child.js");

function started(variant: string): { failure?: string; builds: string[] } {
  const output = execFileSync(process.execPath, [child], { env: { ...process.env, DISTILL_LLAMA_CPU: variant } });
  return JSON.parse(`${output}`);
}

test("llama.cpp computes with the build that DISTILL_LLAMA_CPU names, and with the best without it", { skip }, () => {
  const links = () => readdirSync(tmpdir()).filter((name) => name.startsWith("distill-llama-cpu-"));
  const before = links();
  for (const variant of extent(["x64"], ["haswell", "x64"])) assert.deepEqual(started(variant), { builds: [variant] });
  assert.deepEqual(links(), before);
  const { failure, builds } = started("");
  assert.equal(failure, undefined);
  assert.equal(builds.length, 1);
  assert.notEqual(builds[0], "x64");
});

test("a build that there is none of is refused with those that there are", { skip }, () => {
  assert.match(
    started("pentium").failure!,
    /^DistillError: DISTILL_LLAMA_CPU is "pentium", .* Expected one of: alderlake, .*haswell, .*sapphirerapids, .*zen4\.$/,
  );
});

const amx = skip || (hasAmx() && "this processor has AMX");

test("a build that the processor does not run is refused", { skip: amx }, () => {
  assert.match(started("sapphirerapids").failure!, /"sapphirerapids", which this processor does not run\. Take one/);
});

test("nothing starts llama.cpp past that switch", () => {
  const files = ["src", "test"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => `${folder}/${path}`),
  );
  const starting = files.filter((path) =>
    /(?:import\s*|const\s*)\{[^}]*\bgetLlama\b[^}]*\}\s*(?:from|=\s*await import\()\s*"node-llama-cpp"/.test(
      readFileSync(path, "utf8"),
    ),
  );
  assert.deepEqual(starting, ["src/teachers/llama-cpp/variant.ts"]);
});
