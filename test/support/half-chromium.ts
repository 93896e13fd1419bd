/**
 * @file A Chromium whose WebGPU computes with half precision in software: Debian's, with Mesa's lavapipe behind it where
 * SwiftShader would be. Made once, in .exports; needs a C compiler.
 */

import { spawnSync } from "node:child_process";
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { lavapipe } from "./vulkan.ts";

const INSTALLED = "/usr/lib/chromium";
const ADAPTER = "libvk_swiftshader.so";

export type HalfChromium = { command: string; env: Record<string, string> };

/** How it is started; or a sentence that says why it is not there. */
export function halfChromium(): HalfChromium | string {
  const driver = lavapipe();
  if (!driver) return "no Vulkan driver with half precision: bash .ci/lavapipe /opt/lavapipe brings one";
  if (!existsSync(join(INSTALLED, "chromium"))) return `no Chromium in ${INSTALLED}`;
  const place = resolve(".exports/chromium-half");
  const started = { command: join(place, "chromium"), env: { VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver } };
  if (existsSync(started.command)) return started;
  const begun = `${place}.new`;
  rmSync(begun, { recursive: true, force: true });
  mkdirSync(begun, { recursive: true });
  for (const name of readdirSync(INSTALLED))
    if (name === "chromium") copyFileSync(join(INSTALLED, name), join(begun, name), constants.COPYFILE_FICLONE);
    else if (name !== ADAPTER && name !== "extensions") symlinkSync(join(INSTALLED, name), join(begun, name));
  const source = resolve("test/support/half-adapter.c");
  const { status } = spawnSync("cc", ["-O1", "-shared", "-fPIC", "-o", join(begun, ADAPTER), source, "-ldl"]);
  if (status !== 0) return "no C compiler to build test/support/half-adapter.c with";
  renameSync(begun, place);
  return started;
}
