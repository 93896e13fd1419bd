/** @file The judging process's side of a sandbox that forks: children that wait for what they are to run. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Forked = {
  /** What it is to run; its clock starts. */
  send(job: object): void;
  /** What it prints. */
  onData(listen: (chunk: Buffer) => void): void;
  /** One line to it, and the next from it; undefined where it has ended. */
  say(line: string): void;
  line(): Promise<string | undefined>;
  /** Milliseconds that it has waited for a processor. */
  waited(): Promise<number>;
  kill(): void;
  ended: Promise<{ code: number; signal: number; complaint: string }>;
};

const START_MS = 60_000;
/** A line that is longer is no answer to a test. */
const LONGEST_LINE = 64 << 20;

/** `ahead` forks are kept waiting. Everything in it lets the process end. */
export function openForks(bwrap: string, args: (folder: string) => string[], script: string, ahead: number) {
  const folder = mkdtempSync(join(tmpdir(), "judge-"));
  const ready: Forked[] = [];
  const wanted: { give(fork: Forked): void; fail(error: Error): void }[] = [];
  const known = new Map<string, ReturnType<typeof openFork>>();
  const asked = new Map<string, ((ms: number) => void)[]>();
  let asking = 0; // forks that are on their way
  let complaint = "";
  let over: Error | undefined;

  const server = createServer((socket) => greet(socket));
  server.listen(join(folder, "socket"));
  // the first fd after the standard ones brings the script
  const limits = "ulimit -c 0; ulimit -s 262144 2>/dev/null; ulimit -n 256";
  const child = spawn("/bin/sh", ["-c", `${limits}; exec "$@"`, "sh", bwrap, ...args(folder)], {
    env: {},
    cwd: "/",
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  const [stdin, stdout, stderr, main] = child.stdio as unknown as (Socket & NodeJS.ReadWriteStream)[];
  for (const pipe of [stdin, stdout, stderr, main]) pipe!.on("error", () => {});
  main!.end(script);
  const command = (line: string) => stdin!.write(`${line}\n`);
  stderr!.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-500);
  });
  let text = "";
  stdout!.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split("\n");
    text = lines.pop()!;
    for (const line of lines) hear(line);
  });
  const fail = (why: string) => {
    over ??= new Error(why);
    for (const { fail } of wanted.splice(0)) fail(over);
    for (const fork of known.values()) fork.leave(-1);
    close();
  };
  child.on("error", (error) => fail(`it did not start: ${error.message}`));
  child.on("exit", (code, signal) => fail(`its process ended with ${signal ?? code} ${complaint.trim().slice(-200)}`));
  const timer = setTimeout(() => fail("it did not start in time"), START_MS);
  timer.unref();
  hold(false);

  function hear(line: string): void {
    const [what, pid = "", value = "0"] = line.split(" ");
    if (what === "ready") clearTimeout(timer);
    if (what === "x") known.get(pid)?.leave(Number(value));
    if (what === "x") known.delete(pid);
    if (what === "t") for (const answer of asked.get(pid)?.splice(0) ?? []) answer(Number(value) / 1e6);
  }

  /** A fork says who it is on each of its two connections, and then nothing before it is given something to do. */
  function greet(socket: Socket): void {
    socket.unref();
    socket.on("error", () => {});
    socket.once("data", (chunk: Buffer) => {
      const end = chunk.indexOf(10);
      const [pid = "", role] = chunk.subarray(0, end).toString().split(" ");
      let fork = known.get(pid);
      if (!fork) {
        fork = openFork(pid);
        known.set(pid, fork);
      }
      fork.connect(role === "e" ? "errors" : "main", socket, chunk.subarray(end + 1));
      if (!fork.isConnected()) return;
      asking--;
      const next = wanted.shift();
      if (next) next.give(fork.forked);
      else ready.push(fork.forked);
    });
  }

  function openFork(pid: string) {
    const sockets: { main?: Socket; errors?: Socket } = {};
    const waiting: ((line: string | undefined) => void)[] = [];
    const lines: string[] = [];
    let [rest, length, said, closed] = ["", 0, "", 0];
    let pieces: string[] = [];
    let listen: ((chunk: Buffer) => void) | undefined;
    let status: number | undefined;
    let end: (value: { code: number; signal: number; complaint: string }) => void = () => {};
    const ended = new Promise<{ code: number; signal: number; complaint: string }>((resolve) => {
      end = resolve;
    });
    const settle = () => {
      if (status === undefined || (closed < 2 && status !== -1)) return;
      for (const give of waiting.splice(0)) give(undefined);
      end({ code: (status >> 8) & 255, signal: status & 127, complaint: said });
    };
    const kill = () => command(`k ${pid}`);
    const take = (chunk: Buffer) => {
      if (listen) return listen(chunk);
      const parts = chunk.toString("latin1").split("\n");
      length += chunk.length;
      if (length > LONGEST_LINE) return kill();
      pieces.push(parts[0]!);
      for (const part of parts.slice(1)) {
        rest = pieces.join("");
        pieces = [part];
        length = part.length;
        const give = waiting.shift();
        if (give) give(rest);
        else if (lines.push(rest) > 1000) kill(); // it talks to itself
      }
    };
    const forked: Forked = {
      send(job) {
        for (const socket of Object.values(sockets)) socket.ref();
        const body = Buffer.from(JSON.stringify(job));
        const head = Buffer.alloc(4);
        head.writeUInt32BE(body.length);
        sockets.main!.write(Buffer.concat([head, body]));
      },
      onData(given) {
        listen = given;
      },
      say: (line) => sockets.main!.write(`${line}\n`),
      line: () =>
        lines.length > 0 || status !== undefined
          ? Promise.resolve(lines.shift())
          : new Promise((resolve) => waiting.push(resolve)),
      waited: () =>
        status !== undefined
          ? Promise.resolve(0)
          : new Promise((resolve) => {
              asked.set(pid, [...(asked.get(pid) ?? []), resolve]);
              command(`t ${pid}`);
            }),
      kill,
      ended,
    };
    return {
      forked,
      isConnected: () => sockets.main !== undefined && sockets.errors !== undefined,
      connect(name: "main" | "errors", socket: Socket, first: Buffer) {
        sockets[name] = socket;
        const hear = (chunk: Buffer) => {
          if (name === "main") take(chunk);
          else said = (said + chunk.toString()).slice(-1000);
        };
        if (first.length > 0) hear(first);
        socket.on("data", hear);
        socket.on("close", () => {
          closed++;
          settle();
        });
      },
      leave(code: number) {
        status = code;
        for (const answer of asked.get(pid)?.splice(0) ?? []) answer(0);
        asked.delete(pid);
        settle();
      },
    };
  }

  /** Whether the sandbox keeps this process alive. */
  function hold(yes: boolean): void {
    const change = yes ? "ref" : "unref";
    child[change]();
    for (const pipe of [stdin, stdout, stderr]) pipe![change]();
    server[change]();
  }

  function refill(): void {
    while (asking + ready.length < ahead + wanted.length && !over) {
      asking++;
      command("f");
    }
  }

  function close(): void {
    over ??= new Error("it is closed");
    server.close();
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

  let busy = 0;
  return {
    close,
    async take(): Promise<Forked> {
      if (over) throw over;
      if (busy++ === 0) hold(true);
      const fork =
        ready.shift() ??
        (await new Promise<Forked>((give, fail) => {
          wanted.push({ give, fail });
          refill();
        }));
      refill();
      fork.ended.then(() => --busy === 0 && hold(false));
      return fork;
    },
  };
}
