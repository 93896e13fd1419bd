/** @file Scripts of test/reference in one process of Python: PyTorch and transformers take seconds to load. */

import { spawn } from "node:child_process";

const PYTHON = ".venv/bin/python";

export type Python = {
  /** What a script of test/reference writes to standard output. One at a time. */
  run(script: string, ...args: string[]): Promise<Buffer>;
  end(): void;
};

export function startPython(): Python {
  const child = spawn(PYTHON, ["test/reference/scripts.py"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, OMP_NUM_THREADS: "1" }, // matrices this small are soonest multiplied by one
  });
  let said = "";
  child.stderr.on("data", (piece) => {
    said = `${said}${piece}`.slice(-2000);
  });
  return {
    async run(script, ...args) {
      child.stdin.write(`${JSON.stringify([`test/reference/${script}`, ...args])}\n`);
      let answer = Buffer.alloc(0);
      let end = -1; // of the first line
      for await (const piece of child.stdout.iterator({ destroyOnReturn: false })) {
        answer = Buffer.concat([answer, piece]);
        end = answer.indexOf(10);
        if (end < 0) continue;
        const { error, bytes } = JSON.parse(answer.toString("utf8", 0, end)) as { error?: string; bytes: number };
        if (error) throw new Error(error);
        if (answer.length === end + 1 + bytes) return answer.subarray(end + 1);
      }
      throw new Error(`${script}: Python ended: ${said}`);
    },
    end: () => child.stdin.end(),
  };
}
