/** @file What a machine has: its processor, memory, cards and the drivers that reach them. Nothing is opened or run on them. */

import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, cpus, freemem, homedir, release, totalmem, type } from "node:os";
import { basename, delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";

export type Machine = {
  system: string;
  cpu: string;
  cores: number;
  memory_mb: { total: number; free: number };
  /** Display adapters on the bus. */
  cards: string[];
  nvidia: { name: string; driver: string; memory_mb: { total: number; free: number } }[];
  vulkan: { loader: string | null; drivers: VulkanDriver[]; devices: string[] };
};

/** A driver as the loader finds it: its manifest, and its library where the manifest names a file. */
export type VulkanDriver = { manifest: string; library: string; found: boolean };

export async function describeMachine(): Promise<Machine> {
  const constrained = process.constrainedMemory() ?? 0; // of a container; 0 or huge where there is no limit
  const total = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return {
    system: systemName(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memory_mb: { total: megabytes(total), free: megabytes(Math.min(freemem(), total)) },
    cards: pciCards(),
    nvidia: await nvidiaCards(),
    vulkan: { loader: vulkanLoader(), drivers: vulkanDrivers(), devices: await vulkanDevices() },
  };
}

/** Free space where `folder` is or will be, in MiB. */
export function diskFree(folder: string): number {
  let place = resolve(folder);
  while (!existsSync(place)) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return megabytes(bavail * bsize);
}

const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);

function systemName(): string {
  const release_file = "/etc/os-release";
  const named = existsSync(release_file)
    ? /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync(release_file, "utf8"))?.[1]
    : undefined;
  return [named, `${type()} ${release()}`, process.arch].filter(Boolean).join(", ");
}

const VENDORS: Record<string, string> = {
  "0x10de": "NVIDIA",
  "0x1002": "AMD",
  "0x8086": "Intel",
  "0x1af4": "virtio",
  "0x15ad": "VMware",
};

/** Display controllers (class 03) as Linux lists them, with the driver that each is bound to. */
export function pciCards(): string[] {
  const devices = "/sys/bus/pci/devices";
  if (!existsSync(devices)) return [];
  return readdirSync(devices).flatMap((address) => {
    const read = (file: string) => {
      const path = join(devices, address, file);
      return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
    };
    if (!read("class").startsWith("0x03")) return [];
    const [vendor, device] = [read("vendor"), read("device")];
    const driver = /^DRIVER=(.*)$/m.exec(read("uevent"))?.[1] ?? "no driver";
    return [`${VENDORS[vendor] ?? vendor} ${vendor.slice(2)}:${device.slice(2)} (${driver})`];
  });
}

async function nvidiaCards(): Promise<Machine["nvidia"]> {
  const query = ["--query-gpu=name,driver_version,memory.total,memory.free", "--format=csv,noheader,nounits"];
  const answer = await promisify(execFile)("nvidia-smi", query, { timeout: 10_000 }).catch(() => undefined); // not installed
  const lines = answer?.stdout.trim().split("\n") ?? [];
  return lines.flatMap((line) => {
    const [name, driver, total, free] = line.split(",").map((part) => part.trim());
    return name && driver ? [{ name, driver, memory_mb: { total: Number(total), free: Number(free) } }] : [];
  });
}

const LOADERS: Partial<Record<NodeJS.Platform, string>> = { linux: "libvulkan.so.1", win32: "vulkan-1.dll" };

/** Where the Vulkan loader lies, or null. */
function vulkanLoader(): string | null {
  const name = LOADERS[process.platform];
  if (!name) return null;
  const triplet = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch as string];
  const folders =
    process.platform === "win32"
      ? [join(process.env.SystemRoot ?? "C:\\Windows", "System32")]
      : [
          ...(process.env.LD_LIBRARY_PATH ?? "").split(delimiter).filter(Boolean),
          ...(triplet ? [join("/lib", triplet), join("/usr/lib", triplet)] : []),
          ...["/usr/local/lib", "/usr/lib64", "/lib64", "/usr/lib", "/lib"],
        ];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** The drivers that the loader would look at: those that the environment names, else those in the usual folders. */
export function vulkanDrivers(): VulkanDriver[] {
  const named = (variable: string) => (process.env[variable] ?? "").split(delimiter).filter(Boolean);
  const chosen = [...named("VK_DRIVER_FILES"), ...named("VK_ICD_FILENAMES")];
  const usual = [
    process.env.XDG_CONFIG_HOME ?? join(homedir(), ".config"),
    ...["/etc/xdg", "/etc"],
    process.env.XDG_DATA_HOME ?? join(homedir(), ".local/share"),
    ...["/usr/local/share", "/usr/share"],
  ].map((folder) => join(folder, "vulkan", "icd.d"));
  const places = chosen.length > 0 ? chosen : [...usual, ...named("VK_ADD_DRIVER_FILES")];
  return places.flatMap((place) => {
    if (place.endsWith(".json")) return readDriver(place);
    if (!existsSync(place)) return [];
    return readdirSync(place)
      .filter((name) => name.endsWith(".json"))
      .flatMap((name) => readDriver(join(place, name)));
  });
}

/** The names of Vulkan's devices, where the tool that lists them is installed. */
async function vulkanDevices(): Promise<string[]> {
  const answer = await promisify(execFile)("vulkaninfo", ["--summary"], { timeout: 10_000 }).catch(() => undefined);
  return [...(answer?.stdout ?? "").matchAll(/^\s*deviceName\s*=\s*(.+)$/gm)].map(([, name]) => name!.trim());
}

function readDriver(manifest: string): VulkanDriver[] {
  if (!existsSync(manifest)) return [{ manifest, library: "", found: false }];
  const library = /"library_path"\s*:\s*"([^"]+)"/.exec(readFileSync(manifest, "utf8"))?.[1] ?? "";
  // a bare name is looked up by the dynamic linker
  const bare = basename(library) === library;
  const path = isAbsolute(library) ? library : resolve(dirname(manifest), library);
  return [{ manifest, library, found: library !== "" && (bare || existsSync(path)) }];
}
