/** @file The judging process's side of the sandbox: child processes that are started, timed, killed and replaced. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { moduleUrl } from "../../core/modules.ts";
import { keptImage } from "./kept-image.ts";
import { BUSY, isTooBusy, ownTime } from "./own-time.ts";
import { clip, type Job, type Language, MAKE, type Outcome, type Reply } from "./protocol.ts";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
export type Request = WithoutId<Job>;

export type Sandbox = {
  /** Run a program; never rejects. Requests wait for a free process. */
  run(request: Request): Promise<Outcome>;
  close(): void;
};

export type SandboxOptions = {
  /** How many programs run at once. */
  processes: number;
  memory_mb: number;
};

/** A child that speaks otherwise has been taken over, and is killed. */
const replySchema: z.ZodType<Reply> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("loaded") }),
  z.object({ type: z.literal("running"), id: z.int() }),
  z.object({
    type: z.literal("ended"),
    id: z.int(),
    outcome: z.union([
      z.object({ status: z.literal("finished"), stdout: z.string() }),
      z.object({ status: z.enum(["failed", "limit", "unreadable", "crashed"]), reason: z.string() }),
    ]),
  }),
]);

const LOAD_MS = 120_000;
/** A child that is told to end a run and has not done so by then is killed. */
const GRACE_MS = 3000;

/** WebAssembly interpreters of one language in child processes without environment, files, network or children. */
export function openSandbox(language: Language, options: SandboxOptions): Sandbox {
  const idle: Child[] = [];
  const waiting: ((child: Child | Promise<Child>) => void)[] = [];
  let started = 0;

  const start = async () => startChild(language, options.memory_mb, await imageFor(language));
  const take = (): Promise<Child> => {
    const child = idle.pop();
    if (child) return Promise.resolve(child);
    if (started < options.processes) {
      started++;
      return start();
    }
    return new Promise((resolve) => waiting.push(resolve));
  };
  const give = (child: Child) => {
    const next = waiting.shift();
    if (next) next(child.alive() ? child : start());
    else if (child.alive()) idle.push(child);
    else started--;
  };
  const once = async (request: Request): Promise<Outcome> => {
    const child = await take();
    const outcome = await child.run(request);
    give(child);
    return outcome;
  };

  return {
    async run(request) {
      const outcome = await once(request);
      return outcome.status === "crashed" ? once(request) : outcome;
    },
    close() {
      for (const child of idle.splice(0)) {
        child.kill();
        started--;
      }
    },
  };
}

type Child = ReturnType<typeof startChild>;

function startChild(language: Language, memoryMb: number, image: string) {
  const child = spawn(...command(language, memoryMb, image), {
    cwd: tmpdir(),
    env: {},
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let alive = true;
  let complaint = "";
  let ids = 0;
  let listen: (reply: Reply) => void = () => {};
  let ended: (why: string) => void = () => {};

  const kill = () => {
    alive = false;
    child.kill("SIGKILL");
  };
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-2000);
  });
  child.on("message", (message) => {
    const { data } = replySchema.safeParse(message);
    if (data) listen(data);
    else kill();
  });
  child.on("error", (error) => {
    alive = false;
    ended(error.message);
  });
  child.on("close", (code, signal) => {
    alive = false;
    ended(
      clip(
        `its process ended with ${signal ?? `code ${code}`} ${/^.*(?:Error|FATAL|not found).*$/m.exec(complaint)?.[0] ?? ""}`.trim(),
      ),
    );
  });

  const loaded = new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(() => resolve("it did not start in time"), LOAD_MS);
    const settle = (why?: string) => {
      clearTimeout(timer);
      resolve(why);
    };
    listen = (reply) => reply.type === "loaded" && settle();
    ended = settle;
  });

  return {
    kill,
    alive: () => alive,
    async run(request: Request): Promise<Outcome> {
      hold(child, true);
      const failure = await loaded;
      if (failure !== undefined || !alive) {
        kill();
        return {
          status: "crashed",
          reason: `the ${language} sandbox did not start: ${failure ?? "its process is gone"}`,
        };
      }
      const { time_ms } = request.limits;
      const outOfTime: Outcome = { status: "limit", reason: `time limit of ${time_ms / 1000} s` };
      const outcome = await new Promise<Outcome>((resolve) => {
        const id = ++ids;
        let told: number | undefined; // when it was told that its time is over
        const crash = (why: string) =>
          resolve(
            told === undefined ? { status: "crashed", reason: `the ${language} sandbox crashed: ${why}` } : outOfTime,
          );
        let timer = setTimeout(() => {
          kill();
          crash("it was not ready in time");
        }, LOAD_MS);
        ended = (why) => {
          clearTimeout(timer);
          crash(why);
        };
        listen = (reply) => {
          if (reply.type === "loaded" || reply.id !== id) return;
          clearTimeout(timer);
          if (reply.type === "ended") return resolve(reply.outcome);
          const [own, start] = [ownTime(child.pid!), performance.now()];
          const look = () => {
            const waited = performance.now() - start;
            if (told !== undefined && waited - told > GRACE_MS) {
              kill();
              return resolve(outOfTime);
            }
            const had = own();
            if (told === undefined && isTooBusy(had, waited, time_ms)) {
              kill();
              return resolve({ status: "crashed", reason: BUSY });
            }
            const left = time_ms - had;
            if (left <= 0 && told === undefined) {
              told = waited;
              // Python's run ends with this signal; JavaScript's looks at the time itself
              if (language === "python") child.kill("SIGINT");
            }
            timer = setTimeout(look, told === undefined ? Math.max(left, 20) : GRACE_MS / 4);
          };
          timer = setTimeout(look, time_ms);
        };
        child.send({ ...request, id }, (error) => error && ended(error.message));
      });
      if (alive) hold(child, false);
      return outcome;
    },
  };
}

/** The file that an interpreter starts from, made if it is not there; "" where the child is to make what it needs. */
function imageFor(language: Language): Promise<string> {
  if (language !== "python") return Promise.resolve("");
  image ??= keptImage(dirname(CHILD), makeImage).catch(() => ""); // no room, or no place for it
  return image;
}

let image: Promise<string> | undefined;

/** By a child that runs no program. */
function makeImage(): Promise<Uint8Array> {
  const child = spawn(...command("python", 512, MAKE), { env: {}, stdio: ["ignore", "pipe", "ignore"] });
  const pieces: Buffer[] = [];
  child.stdout!.on("data", (piece: Buffer) => pieces.push(piece));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), LOAD_MS);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(Buffer.concat(pieces));
      else reject(new Error(`its process ended with code ${code}`));
    });
  });
}

/** Whether the child keeps this process alive. */
function hold(child: ChildProcess, yes: boolean): void {
  const change = yes ? "ref" : "unref";
  child[change]();
  child.channel?.[change]();
  (child.stderr as unknown as { ref(): void; unref(): void })[change]();
}

const CHILD = fileURLToPath(moduleUrl("rewards/sandbox/child.js"));

/** Programs recurse: 172 MB of stack where a shell can ask for it. A main thread has 8 MB on Linux and macOS, 1 MB on Windows. */
const STACK = "for s in 176128 65520; do ulimit -s $s 2>/dev/null && break; s=7900; done";

/** The executable of a child and its arguments; the last one is its stack in KB. */
function command(language: Language, memoryMb: number, image: string): [string, string[]] {
  const fixed = flags(memoryMb, image);
  if (process.platform === "win32") return [process.execPath, [...fixed, CHILD, language, image, "900"]];
  const start = `${STACK}; s=$((s - 4000)); node=$1; shift; exec "$node" --stack-size=$s "$@" $s`;
  return ["/bin/sh", ["-c", start, "sh", process.execPath, ...fixed, CHILD, language, image]];
}

const flags = (memoryMb: number, image: string) => [
  "--no-warnings",
  "--no-addons",
  "--expose-gc",
  "--disallow-code-generation-from-strings",
  "--frozen-intrinsics",
  "--max-old-space-size=512",
  `--wasm-max-mem-pages=${memoryMb * 16}`,
  process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission",
  ...[...readable(), ...(isAbsolute(image) ? [image] : [])].map((path) => `--allow-fs-read=${path}`),
];

/** What a child may read: the sandbox's own code and the packages' code. */
function readable(): string[] {
  const roots = ["pyodide/package.json", "quickjs-emscripten"].flatMap((name) => {
    const found = createRequire(import.meta.url).resolve(name);
    return found.slice(0, found.lastIndexOf("node_modules") + "node_modules".length);
  });
  for (let folder = dirname(CHILD); folder !== dirname(folder); folder = dirname(folder)) {
    const packages = join(folder, "node_modules");
    if (existsSync(join(packages, "pyodide")) || existsSync(join(packages, "quickjs-emscripten"))) roots.push(packages);
  }
  return [...new Set([dirname(CHILD), ...roots])].map((folder) => join(folder, "*"));
}
