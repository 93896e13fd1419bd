/** @file distill doctor: what works on this machine, why the rest does not, and whether a recipe's laws hold. */

import { DistillError } from "../core/errors.ts";
import { readOneRecipe } from "../recipe/pipeline.ts";
import { describeSandboxes, type SandboxState } from "../rewards/sandbox/describe.ts";
import { installCuda } from "../runtime/install-cuda.ts";
import { describeMachine, diskFree, type Machine } from "../runtime/machine.ts";
import { type DeviceState, tryDevices } from "./doctor/devices.ts";
import { type RecipeReport, tryRecipe } from "./doctor/recipe.ts";
import { painter, textReport } from "./doctor/report.ts";
import { type Found, tryTask } from "./doctor/tasks.ts";
import { versions } from "./versions.ts";

/** What doctor finds, as --json prints it. */
export type Doctor = {
  devices: DeviceState[];
  llama_cpp: Found<"llama"> | { reason: string };
  sandboxes: SandboxState[];
  machine: Machine & { disk_free_mb: number };
  versions: Record<string, string>;
  recipe?: RecipeReport;
};

export type DoctorOptions = {
  json?: boolean;
  installCuda?: boolean;
  /** The step of a pipeline. */
  step?: string;
};

type Everywhere = Omit<Doctor, "recipe">;

/** `everywhere` finds what does not depend on the recipe, apart from where its run lies. */
export async function doctor(
  recipePath: string | undefined,
  overrides: readonly string[],
  options: DoctorOptions,
  signal: AbortSignal,
  everywhere: (runs: string, say: (what: string) => void) => Promise<Everywhere> = tryMachine,
): Promise<void> {
  const say = notes();
  if (options.installCuda) {
    const files = await installCuda((line) => console.error(line), signal);
    console.error(`Installed ${files.join(" and ")}.`);
  }
  const recipe = recipePath ? readOneRecipe(recipePath, overrides, options.step) : undefined;
  const report: Doctor = await everywhere(recipe ? recipe.output! : "runs", say);
  const { devices } = report;
  const trying = (law: string) => say(`trying ${law}`);
  const tried = recipe ? await tryRecipe(recipe, devices, trying, signal) : undefined;
  if (tried) report.recipe = tried;
  say();
  console.log(options.json ? JSON.stringify(report, null, 2) : textReport(report, painter(process.stdout)));
  const failed = report.recipe?.laws.filter(({ status }) => status === "failed") ?? [];
  if (failed.length > 0)
    throw new DistillError(
      `${failed.length} of the ${report.recipe!.laws.length} laws do not hold for ${recipePath}: ${failed.map(({ name }) => name).join(", ")}.`,
    );
  if (options.installCuda && !devices.find(({ name }) => name === "cuda")!.ok)
    throw new DistillError("The CUDA provider is installed, but cuda does not work yet; the report says why.");
}

async function tryMachine(runs: string, say: (what: string) => void): Promise<Everywhere> {
  const machine = { ...(await describeMachine()), disk_free_mb: diskFree(runs) };
  const devices = await tryDevices(machine, (name) => say(`trying ${name}`));
  say("trying llama.cpp");
  const llama = await tryTask("llama");
  say("trying sandboxes");
  return {
    devices,
    llama_cpp: "found" in llama ? llama.found : llama,
    sandboxes: await describeSandboxes(),
    machine,
    versions: { ...versions(), ...("found" in llama ? { "llama.cpp": llama.found.release } : {}) },
  };
}

/** A line on a terminal that says what is being done, and goes away. */
function notes(out = process.stderr): (what?: string) => void {
  return (what) => {
    if (out.isTTY) out.write(`\r\x1b[K${what ? `${what} …` : ""}`);
  };
}
