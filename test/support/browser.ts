/** @file A page in headless Chromium, served from this machine. */

import { spawn } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { CHROMIUM, headless } from "./chromium.ts";
import type { HalfChromium } from "./half-chromium.ts";

/** Why no page can be opened here, or false. */
export const whyNoBrowser = (): string | false => (CHROMIUM ? false : "no Chromium is installed");

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * Open a page that POSTs JSON to /result once, and give what it posted. `folders` says which folder lies under which first
 * part of a path; `half` takes the Chromium whose WebGPU has half precision. The page holds an image /done, which comes when the result has: the screenshot shows what is there then.
 */
export async function resultOfPage(
  page: string,
  folders: Record<string, string>,
  screenshot: string,
  { webgpu = false, seconds = 120, half }: { webgpu?: boolean; seconds?: number; half?: HalfChromium | undefined } = {},
): Promise<unknown> {
  let result: unknown;
  const waiting: ServerResponse[] = [];
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url!, "http://local").pathname));
    if (path === "/") return response.writeHead(200, { "content-type": TYPES[".html"] }).end(page);
    if (path === "/done") return result === undefined ? waiting.push(response) : response.writeHead(204).end();
    if (path === "/result") {
      let body = "";
      request.on("data", (piece) => {
        body += piece;
      });
      request.on("end", () => {
        result = JSON.parse(body);
        response.writeHead(204).end();
        for (const image of waiting) image.writeHead(204).end();
      });
      return;
    }
    sendFile(path, folders, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "distill-chromium-"));
  try {
    const { port } = server.address() as AddressInfo;
    const graphics = webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : ["--disable-gpu"];
    const flags = [...headless(profile), ...graphics, "--window-size=900,700"];
    const args = [...flags, `--screenshot=${screenshot}`, `http://127.0.0.1:${port}/`];
    const said = await run(half?.command ?? CHROMIUM!, args, seconds, half?.env);
    if (result === undefined) throw new Error(`The page posted no result. Chromium said: ${said.slice(-2000)}`);
    return result;
  } finally {
    server.closeAllConnections();
    server.close();
    rmSync(profile, { recursive: true, force: true });
  }
}

/** The file of a path, whose first part says in which of the folders it lies. */
function sendFile(path: string, folders: Record<string, string>, response: ServerResponse): void {
  const [, first, ...rest] = path.split("/");
  const file = join(folders[first!] ?? "/nowhere", ...rest);
  if (!existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "content-length": statSync(file).size,
  });
  createReadStream(file).pipe(response);
}

/** Serve folders as any web server does, each under its name. */
export async function serveFolders(folders: Record<string, string>): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) =>
    sendFile(normalize(decodeURIComponent(new URL(request.url!, "http://local").pathname)), folders, response),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function run(command: string, args: readonly string[], seconds: number, env = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: 1000 * seconds,
      env: { ...process.env, ...env },
    });
    let said = "";
    child.stderr.on("data", (piece) => {
      said += piece;
    });
    child.on("error", reject);
    child.on("close", () => resolve(said));
  });
}
