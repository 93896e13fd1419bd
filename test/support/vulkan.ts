/** @file A Vulkan driver for tests of WebGPU: the machine's own, or Chromium's software renderer. */

import { existsSync } from "node:fs";

const SOFTWARE = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/usr/lib64/chromium-browser/vk_swiftshader_icd.json"];

/** Why there is no WebGPU to test here, or undefined. Chooses the driver, which must happen before a device is opened. */
export function whyNoVulkan(): string | undefined {
  if (process.env.VK_DRIVER_FILES) return undefined;
  const driver = SOFTWARE.find((path) => existsSync(path));
  if (!driver) return "no Vulkan driver: set VK_DRIVER_FILES, or install Debian's chromium for its software renderer";
  process.env.VK_DRIVER_FILES = driver;
  return undefined;
}
