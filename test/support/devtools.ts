/** @file A tab of headless Chromium that a test drives. */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "undici";
import { CHROMIUM, headless } from "./chromium.ts";
import { removeInUse } from "./remove.ts";

export type Look = { width: number; height: number; dark: boolean };
export const LOOKS: Record<string, Look> = {
  light: { width: 1200, height: 900, dark: false },
  dark: { width: 1200, height: 900, dark: true },
  phone: { width: 390, height: 844, dark: false },
  "phone-dark": { width: 390, height: 844, dark: true },
};

export type Tab = {
  /** What went wrong in the page: exceptions, what its policy refused, what could not be loaded. */
  readonly complaints: readonly string[];
  open(url: string): Promise<void>;
  look(look: Look): Promise<void>;
  /** The value of an expression in the page, once its promise is kept. */
  value<Value>(expression: string): Promise<Value>;
  /** Wait until an expression is true. */
  until(expression: string, seconds?: number): Promise<void>;
  press(key: string, modifiers?: number): Promise<void>;
  type(text: string): Promise<void>;
  /** A picture of what is seen, or of the whole page. */
  picture(path: string, whole?: boolean): Promise<void>;
  close(): Promise<void>;
};

type Message = {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: unknown;
  error?: { message: string };
};

export async function openTab(): Promise<Tab> {
  const profile = mkdtempSync(join(tmpdir(), "distill-chromium-"));
  const flags = [...headless(profile), "--disable-gpu", "--remote-debugging-port=0"];
  const browser = spawn(CHROMIUM!, [...flags, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const address = await new Promise<string>((resolve, reject) => {
    let said = "";
    browser.stderr.on("data", (piece) => {
      said += piece;
      const [, port] = /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said) ?? [];
      if (port) resolve(`http://127.0.0.1:${port}`);
    });
    browser.on("close", () => reject(new Error(`Chromium ended: ${said.slice(-1000)}`)));
  });
  const [target] = (
    (await (await fetch(`${address}/json/list`)).json()) as { type: string; webSocketDebuggerUrl: string }[]
  ).filter(({ type }) => type === "page");
  const socket = new WebSocket(target!.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  const waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  const complaints: string[] = [];
  let loaded: (() => void) | undefined;
  socket.addEventListener("message", ({ data }) => {
    const { id, method, params, result, error } = JSON.parse(String(data)) as Message;
    if (id !== undefined) {
      const { resolve, reject } = waiting.get(id)!;
      waiting.delete(id);
      if (error) reject(new Error(error.message));
      else resolve(result as never);
    } else if (method === "Page.loadEventFired") loaded?.();
    else if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params));
    else if (method === "Log.entryAdded" && (params!.entry as { level: string }).level === "error")
      complaints.push(JSON.stringify(params!.entry));
  });
  let last = 0;
  const ask = <Result>(method: string, params: object = {}): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve: resolve as (result: never) => void, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  for (const domain of ["Page", "Runtime", "Log"]) await ask(`${domain}.enable`);

  const tab: Tab = {
    complaints,
    async open(url) {
      const done = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      await ask("Page.navigate", { url });
      await done;
    },
    async look({ width, height, dark }) {
      await ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
      await ask("Emulation.setEmulatedMedia", { features });
    },
    async value<Value>(expression: string) {
      type Answer = { result: { value: Value }; exceptionDetails?: { exception?: { description?: string } } };
      const { result, exceptionDetails } = await ask<Answer>("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? "the expression failed");
      return result.value;
    },
    async until(expression, seconds = 15) {
      for (const end = Date.now() + 1000 * seconds; ; await sleep(10)) {
        if (await tab.value<boolean>(`!!(${expression})`)) return;
        if (Date.now() > end) throw new Error(`It never came true: ${expression}`);
      }
    },
    async press(key, modifiers = 0) {
      const text = key.length === 1 && modifiers === 0 ? { text: key } : {};
      await ask("Input.dispatchKeyEvent", { type: "keyDown", key, modifiers, ...text });
      await ask("Input.dispatchKeyEvent", { type: "keyUp", key, modifiers });
    },
    type: async (text) => {
      await ask("Input.insertText", { text });
    },
    async picture(path, whole = false) {
      const { data } = await ask<{ data: string }>("Page.captureScreenshot", {
        format: "png",
        captureBeyondViewport: whole,
      });
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.from(data, "base64"));
    },
    async close() {
      const gone = new Promise((resolve) => browser.on("close", resolve));
      socket.close();
      browser.kill("SIGKILL");
      await gone;
      removeInUse(profile);
    },
  };
  return tab;
}
