/** @file A Vulkan driver for tests of WebGPU: the machine's own, or a software renderer. */

import { existsSync } from "node:fs";

const SOFTWARE = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib64/chromium-browser/vk_swiftshader_icd.json"];

/** Where a current Mesa's lavapipe may be, which has half precision; DISTILL_F16_VULKAN names it elsewhere. */
const HALF = [
  "/opt/lavapipe/lvp_icd.json",
  "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
  "/usr/share/vulkan/icd.d/lvp_icd.json",
];

/** Why there is no WebGPU to test here, or undefined. Chooses the driver, which must happen before a device is opened. */
export function whyNoVulkan(): string | undefined {
  if (process.env.VK_DRIVER_FILES) return undefined;
  return choose(SOFTWARE, "set VK_DRIVER_FILES, or install Debian's chromium for its software renderer");
}

/** The same for a driver that has half precision. */
export function whyNoHalfVulkan(): string | undefined {
  const named = process.env.DISTILL_F16_VULKAN;
  return choose(named ? [named] : HALF, "set DISTILL_F16_VULKAN to the lvp_icd.json of Mesa 24 or later");
}

function choose(drivers: readonly string[], cure: string): string | undefined {
  const driver = drivers.find((path) => existsSync(path));
  if (!driver) return `no Vulkan driver: ${cure}`;
  process.env.VK_DRIVER_FILES = driver;
  return undefined;
}
