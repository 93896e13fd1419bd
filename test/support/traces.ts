import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { readLedger } from "../../src/data/ledger.ts";
import { type Draw, rowsIn, type Trace } from "../../src/data/traces.ts";

/** What was drawn in a run's folder, under whichever settings. */
export function drawsIn(output: string): Draw[] {
  const samples = join(output, "samples");
  const keys = existsSync(samples) ? readdirSync(samples) : [];
  return keys.flatMap((key) => [...readLedger(join(samples, key))].flatMap(({ table }) => [...rowsIn<Draw>(table)]));
}

/** A trace that was accepted, with some of everything in its columns. */
export const trace = (prompt_id: string, sample: number, changes: Partial<Trace> = {}): Trace => ({
  prompt_id,
  sample,
  prompt: `What is ${prompt_id}? ¿Qué? 何`,
  answer: sample % 2 === 0 ? "4" : null,
  messages: [{ role: "user", content: "What?" }],
  prompt_text: "What?\n",
  reasoning: null,
  completion: `<think>${sample}</think><answer>4</answer>`,
  token_ids: Array.from({ length: sample }, (_, i) => i * 7),
  prompt_tokens: 3,
  finish_reason: "stop",
  error: null,
  teacher: "tiny.gguf",
  teacher_hash: null,
  temperature: 0.6,
  top_p: 0.95,
  top_k: 0,
  min_p: 0,
  max_completion_length: 64,
  seed: 4_000_000_000,
  rewards: { accuracy: sample === 1 ? null : 0.5, format: 1 },
  reward: 1.5,
  verdict: "correct",
  extracted: "4",
  reason: "accuracy: equal",
  rule_version: "2",
  accepted: true,
  ...changes,
});
