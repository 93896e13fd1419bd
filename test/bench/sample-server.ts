/**
 * @file npm run bench:sample -- --server: tokens a second of the teacher in this process, of ours against llama-server (with
 * its journal on the disk), and of plain loops of requests against the same server, whole and streamed; 64 at once,
 * alternating in the same run. server_ratio is ours over the better of the two plain loops.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openJournal } from "../../src/data/journal.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import { openai } from "../../src/teachers/openai.ts";
import type { GenerateOptions, SampleRequest, Teacher } from "../../src/teachers/teacher.ts";
import { installLlamaServer, startLlamaServer } from "../servers/llama-server.ts";
import { median } from "./median.ts";

const MODEL = resolve("data/models/stories-teacher-q8_0.gguf");
const AT_ONCE = 64;

export async function benchServer({ rounds, tokens, threads }: { rounds: number; tokens: number; threads: number }) {
  const found = installLlamaServer();
  if (typeof found === "string") return console.log(`Skipped: ${found}.`);
  const server = await startLlamaServer(found.binary, { model: MODEL, slots: AT_ONCE, threads });
  const sampling: GenerateOptions = {
    ...{ temperature: 1, top_p: 1, top_k: 0, min_p: 0, max_completion_length: tokens, stop: [], top_logprobs: 0 },
  };
  const prompts = Array.from(
    { length: AT_ONCE / 2 },
    (_, i) => `Ada has ${i + 3} apples and ${2 * i + 5} more. She eats ${i} of them. How many are left?`,
  );
  let seed = 0;
  const requests = (): SampleRequest[] =>
    Array.from({ length: 8 * AT_ONCE }, (_, i) => {
      const prompt = prompts[i % prompts.length]!;
      return { prompt, messages: [{ role: "user", content: prompt }], seed: ++seed, id: `request-${seed}` };
    });
  const local = await llama_cpp.create(
    llama_cpp.options.parse({ path: MODEL, sequences: AT_ONCE, context_size: 512, gpu: false, threads }),
  );
  const remote = (stream: boolean) =>
    openai.create(openai.options.parse({ base_url: server.url, probe: false, max_concurrency: 2 * AT_ONCE, stream }));
  const [whole, streamed] = [await remote(false), await remote(true)];
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  let [journals, asked_again, maybe] = [0, 0, 0];

  async function drawn(teacher: Teacher): Promise<number> {
    const key = String(++journals);
    const journal = teacher.paid ? openJournal({ folder: join(folder, key), key }) : undefined;
    let count = 0;
    for await (const { generation } of teacher.generate(requests(), { ...sampling, ...(journal ? { journal } : {}) }))
      count += generation!.served?.completion_tokens ?? generation!.token_ids.length;
    maybe += journal?.spent().maybe.requests ?? 0;
    await journal?.close();
    return count;
  }

  async function loop(stream: boolean): Promise<number> {
    const source = requests()[Symbol.iterator]();
    let count = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const { messages, seed } of source) {
          const body = { messages, seed, max_tokens: tokens, temperature: 1, top_p: 1, top_k: 0, min_p: 0 };
          const ask = (): Promise<Response> =>
            fetch(`${server.url}/v1/chat/completions`, {
              method: "POST",
              headers: { "content-type": "application/json" },
              body: JSON.stringify(stream ? { ...body, stream, stream_options: { include_usage: true } } : body),
            }).catch(() => {
              asked_again++; // a connection that was idle may be closed while it is used
              return ask();
            });
          const response = await ask();
          const text = await response.text();
          const last = stream ? text.trimEnd().split("\n\n").at(-2)!.slice("data: ".length) : text;
          count += (JSON.parse(last) as { usage: { completion_tokens: number } }).usage.completion_tokens;
        }
      }),
    );
    return count;
  }

  const contestants: Record<string, () => Promise<number>> = {
    in_process: () => drawn(local),
    ours: () => drawn(whole),
    ours_streamed: () => drawn(streamed),
    plain: () => loop(false),
    plain_streamed: () => loop(true),
  };
  const rates: Record<string, number[]> = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  const ratios: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const rate: Record<string, number> = {};
    // each begins as often as any other
    const order = Object.entries(contestants);
    for (let i = 0; i <= round % order.length; i++) order.push(order.shift()!);
    for (const [name, contestant] of order) {
      const start = performance.now();
      const count = await contestant();
      rate[name] = (1000 * count) / (performance.now() - start);
    }
    if (round < 0) continue; // warming up
    for (const name of Object.keys(rates)) rates[name]!.push(rate[name]!);
    ratios.push(rate.ours! / Math.max(rate.plain!, rate.plain_streamed!));
  }
  await Promise.all([local, whole, streamed].map((teacher) => teacher.close()));
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  console.log(
    `${cpus()[0]!.model}, ${threads} threads, ${AT_ONCE} at once, ${8 * AT_ONCE} completions of at most ${tokens} tokens`,
  );
  for (const [name, all] of Object.entries(rates))
    console.log(`${name.padEnd(15)} ${Math.round(median(all))} tokens/s`);
  console.log(`asked again: ${asked_again} by the plain loops, ${maybe} by ours`);
  console.log(`server_ratio    ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(", ")})`);
}
