/** @file A Vulkan driver for tests of WebGPU: the one that is named, else a software renderer. */

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Mesa compiles a shader once, also for tests that have a cache of their own for everything else. */
process.env.MESA_SHADER_CACHE_DIR ||= process.env.XDG_CACHE_HOME || join(homedir(), ".cache");

/** Mesa's lavapipe: fast, and with half precision. DISTILL_F16_VULKAN names it where it is elsewhere. */
const LAVAPIPE = [
  "/opt/lavapipe/lvp_icd.json",
  "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json",
  "/usr/share/vulkan/icd.d/lvp_icd.json",
];

/** Chromium's SwiftShader: everywhere to be had, ten times slower, without half precision. */
const SWIFTSHADER = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
];

/** Why there is no WebGPU to test here, or undefined. Chooses the driver, which must happen before a device is opened. */
export function whyNoVulkan(): string | undefined {
  if (process.env.VK_DRIVER_FILES) return undefined;
  const driver = lavapipe() ?? SWIFTSHADER.find((path) => existsSync(path));
  if (!driver) return "no Vulkan driver: set VK_DRIVER_FILES, or install Debian's chromium for its software renderer";
  process.env.VK_DRIVER_FILES = driver;
  return undefined;
}

/** The same for a driver that has half precision. */
export function whyNoHalfVulkan(): string | undefined {
  const chosen = process.env.VK_DRIVER_FILES;
  if (chosen && !process.env.DISTILL_F16_VULKAN)
    return SWIFTSHADER.includes(chosen) ? `no half precision: VK_DRIVER_FILES chooses ${chosen}` : undefined;
  const driver = lavapipe();
  if (!driver)
    return "no Vulkan driver with half precision: set DISTILL_F16_VULKAN to the lvp_icd.json of Mesa 25 or later";
  process.env.VK_DRIVER_FILES = driver;
  return undefined;
}

/** The same for a driver that has none. */
export function whyNoVulkanWithoutHalf(): string | undefined {
  const driver = SWIFTSHADER.find((path) => existsSync(path));
  if (!driver) return "no Vulkan driver without half precision: install Debian's chromium for its software renderer";
  process.env.VK_DRIVER_FILES = driver;
  return undefined;
}

/** A lavapipe that ONNX Runtime takes: those before Vulkan 1.4 lack features that it asks for. */
export function lavapipe(): string | undefined {
  const named = process.env.DISTILL_F16_VULKAN;
  return (named ? [named] : LAVAPIPE).find((path) => {
    if (!existsSync(path)) return false;
    const { ICD } = JSON.parse(readFileSync(path, "utf8")) as { ICD: { api_version: string } };
    const [major, minor] = ICD.api_version.split(".").map(Number) as [number, number];
    return major > 1 || minor >= 4;
  });
}
