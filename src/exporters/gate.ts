/** @file Each file that was exported against the student: what programs make of texts, and what they find likely behind prompts. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgress } from "../core/progress.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import type { Exported } from "./exporter.ts";
import { gguf } from "./gguf.ts";
import type { ParityOptions } from "./limits.ts";
import { compareRunner, continueGreedily, type ParityReport } from "./parity.ts";
import { openRunner, runnerOf } from "./runners/open.ts";
import { openReferenceRunner } from "./runners/reference.ts";
import type { Continuation } from "./runners/runner.ts";
import { compareEncoders, requireSameTokens } from "./text-parity.ts";
import { textsToEncode } from "./texts.ts";

/**
 * Each file against the student in `folder`, first what it makes of texts; or nothing where it was stopped. `asked` are the
 * student's own prompts, as its template writes them. Throws for the first file whose program makes other tokens of texts.
 */
export async function compareFiles(
  folder: string,
  files: readonly Exported[],
  asked: readonly string[],
  parity: ParityOptions,
  signal: AbortSignal,
): Promise<ParityReport[] | undefined> {
  const tokenizer = loadTokenizer(folder);
  if (parity.texts > 0 && !(await compareTexts(files, tokenizer, asked, parity, signal))) return undefined;
  const prompts = asked.map((text) => tokensOf(text, tokenizer));
  const continuations = await continued(folder, prompts, tokenizer, parity, signal);
  return signal.aborted ? undefined : compareTokens(files, continuations, signal);
}

/** What programs make of texts, and of the student's own prompts, through each file; false where it was stopped. */
async function compareTexts(
  files: readonly Exported[],
  tokenizer: Tokenizer,
  asked: readonly string[],
  { texts: count, max_different_texts }: ParityOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const texts = [...asked, ...textsToEncode(count, tokenizer.added)];
  const place = ({ path }: Exported) => runnerOf(path).tokenizerOf?.(path) ?? path;
  // an adapter has no tokenizer, and files of one folder can share theirs
  const different = files.filter(
    (file, i) => !file.base && files.findIndex((other) => place(other) === place(file)) === i,
  );
  const known = remembering(tokenizer);
  const progress = startProgress("encode", different.length, "tokenizer");
  try {
    for (const [i, { name, path }] of different.entries()) {
      if (signal.aborted) return false;
      const encoder = await runnerOf(path).openEncoder?.(path);
      try {
        if (encoder) requireSameTokens(await compareEncoders(name, known, encoder, texts), max_different_texts);
      } finally {
        await encoder?.close();
      }
      progress.update(i + 1, name);
    }
    return true;
  } finally {
    progress.end();
  }
}

/** A tokenizer that encodes each text once. */
function remembering({ encode, bos }: Tokenizer): Pick<Tokenizer, "encode" | "bos"> {
  const encoded = new Map<string, number[]>();
  return {
    bos,
    encode(text) {
      const ids = encoded.get(text) ?? encode(text);
      encoded.set(text, ids);
      return ids;
    },
  };
}

function tokensOf(text: string, { encode, bos }: Tokenizer): number[] {
  const ids = encode(text);
  return bos === undefined || ids[0] === bos ? ids : [bos, ...ids];
}

/** What the weights say behind each prompt, once for all files. */
async function continued(
  folder: string,
  prompts: readonly (readonly number[])[],
  { stops }: Tokenizer,
  { max_completion_length }: ParityOptions,
  signal: AbortSignal,
): Promise<Continuation[]> {
  const reference = await openReferenceRunner(folder);
  const progress = startProgress("compare", prompts.length * max_completion_length, "token");
  const onTokens = (tokens: number) => progress.update(tokens, "of the weights");
  return continueGreedily(reference, prompts, { stops, max_completion_length, signal, onTokens }).finally(async () => {
    progress.end();
    await reference.close();
  });
}

async function compareTokens(
  files: readonly Exported[],
  continuations: readonly Continuation[],
  signal: AbortSignal,
): Promise<ParityReport[] | undefined> {
  const reports: ParityReport[] = [];
  const progress = startProgress("compare", files.length * continuations.length, "text");
  try {
    for (const [i, { name, path, base }] of files.entries()) {
      if (signal.aborted) return undefined;
      const done = i * continuations.length;
      progress.update(done, name);
      const beside = base ? await baseFile(base) : undefined;
      try {
        const runner = await openRunner(path, beside?.path);
        const onText = (texts: number) => progress.update(done + texts, name);
        const proceed = runner.heed?.(signal);
        try {
          reports.push(await compareRunner(name, runner, continuations, onText));
        } finally {
          await proceed?.();
          await runner.close();
        }
      } finally {
        beside?.remove();
      }
    }
    return reports;
  } finally {
    progress.end();
  }
}

/** The model that an adapter is beside, as llama.cpp reads it, for a while. */
async function baseFile(folder: string): Promise<{ path: string; remove(): void }> {
  const temporary = mkdtempSync(join(tmpdir(), "distill-base-"));
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  try {
    const [file] = await gguf.create({ types: ["f32"] })({ folder }, temporary);
    return { path: file!.path, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
