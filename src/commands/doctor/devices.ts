/** @file Which devices work, as far as training the toy on them says. */

import type { Machine } from "../../runtime/machine.ts";
import { PROVIDERS, type Provider } from "../../runtime/protocol.ts";
import { type Found, tryTask } from "./tasks.ts";

export type DeviceState = {
  name: Provider;
  ok: boolean;
  /** Why it does not work. */
  reason: string | null;
  /** What would mend that. */
  cure: string | null;
  matmul_gflops: number | null;
  /** Of the matrices. */
  matmul_size: number | null;
  train_step_ms: number | null;
  /** The largest difference of a step's loss from the CPU's. */
  loss_difference: number | null;
  /** How its transposed products are spelled now, what was measured of that, and where it is kept; where adapters differ. */
  products?: Found<"device">["products"];
};

const TOLERANCE = 1e-3;

/** Try every device in a process of its own, one after the other. */
export async function tryDevices(machine: Machine, onTry: (name: Provider) => void): Promise<DeviceState[]> {
  const states: DeviceState[] = [];
  let expected: readonly number[] | undefined;
  for (const name of PROVIDERS) {
    onTry(name);
    const outcome = await tryTask("device", name);
    const state = "found" in outcome ? worked(name, outcome.found, expected) : missing(name, outcome.reason, machine);
    if (name === "cpu" && "found" in outcome) expected = outcome.found.losses;
    states.push(state);
  }
  return states;
}

function worked(name: Provider, found: Found<"device">, expected: readonly number[] | undefined): DeviceState {
  const { losses, train_step_ms, matmul_gflops, matmul_size } = found;
  const loss_difference = expected && Math.max(...losses.map((loss, i) => Math.abs(loss - expected[i]!)));
  const wrong = loss_difference !== undefined && !(loss_difference <= TOLERANCE);
  return {
    name,
    ok: !wrong,
    reason: wrong ? `The toy's losses differ from the CPU's by ${loss_difference} (at most ${TOLERANCE}).` : null,
    cure: wrong ? "Try another driver, or a newer one; train on another device until then." : null,
    matmul_gflops: rounded(matmul_gflops),
    matmul_size,
    train_step_ms: rounded(train_step_ms),
    loss_difference: name === "cpu" ? null : (loss_difference ?? null),
    ...(found.products ? { products: found.products } : {}),
  };
}

const rounded = (x: number) => Number(x.toPrecision(3));

const missing = (name: Provider, message: string, machine: Machine): DeviceState => ({
  name,
  ok: false,
  reason: reasonIn(message),
  cure: cureFor(name, machine),
  matmul_gflops: null,
  matmul_size: null,
  train_step_ms: null,
  loss_difference: null,
});

/** An error's reason without what it says of the device and its needs, which the report has beside it. */
const reasonIn = (message: string) =>
  /^Device "\w+" cannot be used on this machine: (.*?) Expected [^.]*\./.exec(message)?.[1] ?? message;

function cureFor(name: Provider, { vulkan, nvidia, cards }: Machine): string | null {
  if (name === "cuda") {
    if (process.platform !== "linux" && process.platform !== "win32") return "CUDA needs Linux or Windows.";
    if (nvidia.length === 0)
      return "CUDA needs an NVIDIA card and its driver; nvidia-smi finds none here. webgpu reaches cards of every maker.";
    return "Install CUDA 12 and cuDNN 9, then run distill doctor --install-cuda.";
  }
  if (name === "cpu" || process.platform !== "linux")
    return name === "cpu" ? "Install onnxruntime-node for this system again: npm ci." : "Update the card's driver.";
  if (!vulkan.loader) return "Install the Vulkan loader (Debian: apt-get install libvulkan1) and the card's driver.";
  const there = vulkan.drivers.filter(({ found }) => found);
  if (there.length === 0)
    return cards.length + nvidia.length > 0
      ? "Install the card's Vulkan driver (Debian: mesa-vulkan-drivers; NVIDIA's own brings one; in a container NVIDIA_DRIVER_CAPABILITIES must name graphics)."
      : "There is no card. For trying, software can stand in: install Debian's chromium and set VK_DRIVER_FILES to its vk_swiftshader_icd.json.";
  return `Choose another of the drivers with VK_DRIVER_FILES, or a newer one; found: ${there.map(({ manifest }) => manifest).join(", ")}.`;
}
