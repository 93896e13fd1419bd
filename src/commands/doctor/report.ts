/** @file Doctor's findings as lines of text, aligned, in colour on a terminal. */

import { styleText } from "node:util";
import type { Machine } from "../../runtime/machine.ts";
import type { Doctor } from "../doctor.ts";
import type { DeviceState } from "./devices.ts";
import type { RecipeReport } from "./recipe.ts";

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Colours where `stream` is a terminal that may have them. */
export const painter = (stream: NodeJS.WriteStream): Paint =>
  stream.isTTY && !process.env.NO_COLOR ? (style, text) => styleText(style, text) : (_, text) => text;

export function textReport({ devices, versions, machine, llama_cpp, sandboxes, recipe }: Doctor, paint: Paint): string {
  const width = Math.max(60, Math.min(process.stdout.columns || 100, 120));
  return [
    section(
      "Devices",
      devices.flatMap((device) => deviceLines(device, paint, width)),
      paint,
    ),
    section("llama.cpp", llamaLines(llama_cpp, paint, width), paint),
    section(
      "Sandboxes",
      sandboxes.map(({ name, ok, reason, start_ms }) =>
        row(mark(ok, paint), name, ok ? `starts and judges in ${start_ms} ms` : reason!, 26),
      ),
      paint,
    ),
    section("Machine", machineLines(machine), paint),
    section(
      "Versions",
      Object.entries(versions).map(([name, version]) => row(" ", name, version, 26)),
      paint,
    ),
    ...(recipe ? [section("Recipe", recipeLines(recipe, paint, width), paint)] : []),
  ].join("\n\n");
}

const section = (title: string, lines: readonly string[], paint: Paint) => [paint("bold", title), ...lines].join("\n");

const row = (sign: string, name: string, text: string, width: number) => `  ${sign} ${name.padEnd(width)} ${text}`;

const mark = (ok: boolean, paint: Paint) => (ok ? paint("green", "✓") : paint("yellow", "–"));

const INDENT = " ".repeat(12);

function deviceLines(device: DeviceState, paint: Paint, width: number): string[] {
  const { name, ok, reason, cure, matmul_gflops, matmul_size, train_step_ms, loss_difference } = device;
  const measured = [
    `MatMul ${matmul_size}³ at ${matmul_gflops} GFLOP/s`,
    `training step of the toy in ${train_step_ms} ms`,
    ...(loss_difference === null ? [] : [`losses within ${loss_difference.toExponential(0)} of the CPU's`]),
  ].join(", ");
  const [first, ...more] = wrapped(ok ? measured : (reason ?? "").replaceAll(/\s+/g, " "), width - INDENT.length);
  const cures = cure ? wrapped(cure, width - INDENT.length).map((line) => INDENT + paint("cyan", line)) : [];
  const { products } = device;
  return [
    row(mark(ok, paint), name, first ?? "", 7),
    ...more.map((line) => INDENT + line),
    ...cures,
    ...(products ? productLines(products, paint) : []),
  ];
}

/** What products took in each of their spellings; what is used from now on stands out. */
function productLines({ spelling, measured, kept_in }: NonNullable<DeviceState["products"]>, paint: Paint): string[] {
  const names = { forward: "x·Wᵀ", data_gradient: "dy·W", weight_gradient: "dyᵀ·x" };
  return [
    ...measured.map(({ product, dtype, size, gflops }) => {
      const rates = Object.entries(gflops).map(([how, rate]) => {
        const chosen = product !== "data_gradient" && spelling[product] === how;
        return chosen ? paint("green", `${how} ${rate} (used)`) : `${how} ${rate}`;
      });
      return `${INDENT}${names[product].padEnd(5)} ${dtype}, ${size} tokens: ${rates.join(", ")} GFLOP/s`;
    }),
    `${INDENT}kept in ${kept_in}`,
  ];
}

function llamaLines(llama: Doctor["llama_cpp"], paint: Paint, width: number): string[] {
  if ("reason" in llama)
    return wrapped(llama.reason, width - 4).map((line, i) => `  ${i === 0 ? mark(false, paint) : " "} ${line}`);
  const { backend, devices, vram_mb, libraries } = llama;
  const cards = devices.length > 0 ? `${devices.join(", ")}; ${vram_mb.free} of ${vram_mb.total} MB free` : "no card";
  return [
    row(mark(true, paint), backend, cards, 7),
    `${INDENT}libraries found: ${libraries.length > 0 ? libraries.join(", ") : "none but the CPU's"}`,
  ];
}

function machineLines({
  system,
  cpu,
  cores,
  memory_mb,
  disk_free_mb,
  cards,
  nvidia,
  vulkan,
}: Doctor["machine"]): string[] {
  const line = (name: string, text: string) => row(" ", name, text, 26);
  return [
    line("system", system),
    line("processor", `${cpu}, ${cores} cores`),
    line("memory", `${memory_mb.free} of ${memory_mb.total} MB free`),
    line("disk for runs", `${disk_free_mb} MB free`),
    line("cards", [...nvidia.map(nvidiaText), ...(nvidia.length > 0 ? [] : cards)].join("; ") || "none on the bus"),
    ...(vulkan.devices.length > 0 ? [line("Vulkan devices", vulkan.devices.join(", "))] : []),
    line("Vulkan loader", vulkan.loader ?? "not found"),
    ...(vulkan.drivers.length > 0 ? vulkan.drivers.map(driverText) : ["none"]).map((text, i) =>
      line(i === 0 ? "Vulkan drivers" : "", text),
    ),
  ];
}

const nvidiaText = ({ name, driver, memory_mb }: Machine["nvidia"][number]) =>
  `${name}, driver ${driver}, ${memory_mb.free} of ${memory_mb.total} MB free`;

const driverText = ({ manifest, library, found }: Machine["vulkan"]["drivers"][number]) =>
  `${manifest}${found ? "" : ` (its library ${library || "…"} is not there)`}`;

function recipeLines({ recipe, model, data, laws }: RecipeReport, paint: Paint, width: number): string[] {
  const signs = { ok: paint("green", "✓"), failed: paint("red", "✗"), skipped: paint("yellow", "–") };
  return [
    ...wrapped(`${recipe}: ${model}; ${data}`, width - 2).map((line) => `  ${line}`),
    ...laws.flatMap(({ name, states, status, found, seconds }) => {
      const [first, ...more] = wrapped(states, width - LAW.length);
      const style = status === "failed" ? "red" : "dim";
      return [
        `  ${signs[status]} ${name.padEnd(LAW.length - 5)} ${first}`,
        ...more.map((line) => LAW + line),
        ...wrapped(`${found} (${seconds} s)`, width - LAW.length).map((line) => LAW + paint(style, line)),
      ];
    }),
  ];
}

const LAW = " ".repeat(23);

/** Words in lines of at most `width` characters. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, line];
}
