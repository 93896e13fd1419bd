/**
 * @file The end of a process that used WebGPU. What Dawn and Vulkan's drivers take down when a process ends is done in an order
 * of which they do not agree: about one process in thirty crashed there, with its work done. So nothing is taken down.
 */

import { createRequire } from "node:module";

/** The library that has _exit, where a process can end so. */
const LIBRARIES: Partial<Record<NodeJS.Platform, string>> = { linux: "libc.so.6", darwin: "libSystem.B.dylib" };

let asked = false;

/** End this process without taking libraries down, once all that waits for its end has run. */
export function exitQuickly(): void {
  const library = LIBRARIES[process.platform];
  if (asked || !library) return;
  asked = true;
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const end = koffi.load(library).func("void _exit(int code)");
  const last = (code: number): void => {
    const listeners = process.listeners("exit");
    for (const listener of listeners.slice(listeners.indexOf(last) + 1)) listener.call(process, code);
    end(Number(process.exitCode ?? code));
  };
  process.on("exit", last);
}
