/**
 * @file Batches: the same requests as lines of a file that is answered within a day, at half the price. Only the way differs:
 * they are written down before they are submitted, and each line of what comes is judged as an answer that came at once.
 */

import { join } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import type { Attempt, Journal, Used } from "../../data/journal.ts";
import type { Budget, Reservation } from "../budget.ts";
import type { Finished, SampleRequest } from "../teacher.ts";
import { assemble } from "./assemble.ts";
import { type Asking, type Client, lineName, nameOf, type Question, seedOf } from "./attempt.ts";
import { submitTo } from "./batch-api.ts";
import { filesIn } from "./batch-files.ts";
import type { Line } from "./batch-lines.ts";
import { bodyOf, mostPromptTokens } from "./body.ts";
import { decisionOn } from "./decision.ts";
import { given, judged, known } from "./judged.ts";
import { probe } from "./probe.ts";
import { mostOf } from "./used.ts";

/** Requests of one file, and how far it has come. */
export type Chunk = {
  hash: string;
  /** Of what is asked. Chunks of earlier versions have none, and what was asked otherwise has the same names there. */
  key?: string;
  /** By the name of the line. */
  attempts: Attempt[];
  /** Before it is submitted: it may have been, and nobody knows. */
  submitting?: boolean;
  batch?: string;
  /** Its file was left for others to answer. */
  written?: boolean;
  done?: boolean;
  /** Why the server did none of it. */
  failed?: string;
};

export type Transport = {
  /** Have the chunk on its way. False where that was stopped. */
  begin(chunk: Chunk, content: string, save: () => Promise<void>): Promise<boolean>;
  /** What came of the chunk's lines, by name; undefined where it was stopped. */
  answers(chunk: Chunk): Promise<Map<string, Line> | undefined>;
  /** Whether what is not among them may still come. */
  later: boolean;
};

/** As long as a key. */
const UNKNOWN = "0".repeat(16);

/** What the journal calls the list of them. */
const NAME = "batches";

/** Refuse to ask at once what is on its way in a batch, and would be paid for twice. */
export function requireNoBatches(journal: Journal, answered: (id: string) => boolean): void {
  const chunks = journal.noted<Chunk[]>(NAME) ?? [];
  const open = chunks.filter(({ done, batch, submitting, written }) => !done && (batch || submitting || written));
  const left = open.flatMap(({ attempts }) => attempts.filter(({ id }) => !answered(id)));
  if (left.length > 0)
    throw new DistillError(
      `${left.length} requests of this run are on their way in batches (${open.map(({ batch, hash }) => batch ?? `requests-${hash}.jsonl`).join(", ")}). Run distill sample with --batch, or with the same --batch-files, to have their answers.`,
    );
}

export async function* askInBatches(
  client: Client,
  requests: Iterable<SampleRequest>,
  asked: Asking & { budget: Budget },
): AsyncGenerator<Finished> {
  const { options, endpoints, told } = client;
  const { journal, budget, signal } = asked;
  const endpoint = endpoints.find(({ identity }) => identity)!;
  await probe(client, asked);
  const transport =
    options.batch!.files === undefined ? submitTo(client, endpoint, signal) : filesIn(options.batch!.files);
  const chunks = journal.noted<Chunk[]>(NAME) ?? [];
  // where a journal lost something, a batch may be on its way of which it does not know
  const unsure = journal.damaged > 0 ? { submitting: true } : {};
  for (const chunk of chunks) if (chunk.key !== undefined && chunk.batch === undefined) Object.assign(chunk, unsure);
  const save = () => journal.note(NAME, chunks);
  const waiting = new Map<string, Question & { index: number }>();
  let [index, tries] = [0, 0];
  for (const request of requests) {
    const id = request.id ?? `request-${index}`;
    const answered = known(client, index, id, request, asked);
    if (answered) yield answered;
    else waiting.set(id, { index, request, id, prompt_tokens: mostPromptTokens(request, client.tokenizer) });
    index++;
  }

  const body = (made: Attempt, { request }: Question) =>
    bodyOf(request, made.seed, asked, options, endpoint.identity!, {
      refuses: endpoint.refuses,
      stream: false,
      tokenizer: client.tokenizer,
    });

  const line = (chunk: Pick<Chunk, "key">, made: Attempt, question: Question) =>
    JSON.stringify({
      custom_id: lineName(chunk, made),
      method: "POST",
      url: options.endpoint === "chat" ? "/v1/chat/completions" : "/v1/completions",
      body: body(made, question),
    });

  /** The lines of a chunk; what is asked no more has none. */
  const linesIn = (chunk: Chunk): string =>
    chunk.attempts
      .flatMap((made) => {
        const question = waiting.get(made.id);
        return question ? [`${line(chunk, made, question)}\n`] : [];
      })
      .join("");

  /** The requests that are in no chunk, as chunks, as far as the budget goes. */
  async function compose(): Promise<void> {
    const placed = new Set(chunks.flatMap(({ done, attempts }) => (done ? [] : attempts.map(({ id }) => id))));
    let [attempts, bytes] = [[] as Attempt[], 0];
    const close = async () => {
      if (attempts.length === 0) return;
      const key = contentHash(attempts.map((made) => [nameOf(made), body(made, waiting.get(made.id)!)]));
      const hash = contentHash(attempts.map((made) => lineName({ key }, made)));
      const chunk: Chunk = { hash, key, attempts, ...unsure };
      await journal.sent(attempts);
      chunks.push(chunk);
      await save();
      [attempts, bytes] = [[], 0];
    };
    for (const question of waiting.values()) {
      if (placed.has(question.id)) continue;
      const most: Used = mostOf(question, asked, client);
      const reservation = budget.reserve(most);
      if (!reservation) break;
      reservations.set(question.id, reservation);
      const { id } = question;
      const before = journal.open(id); // of a batch of which nothing else is known
      const attempt = before?.endpoint === "batch" ? before.attempt : journal.next(id);
      const made = { id, attempt, endpoint: "batch", seed: seedOf(question, journal), most };
      const size = Buffer.byteLength(line({ key: UNKNOWN }, made, question)) + 1;
      if (
        attempts.length > 0 &&
        (bytes + size > options.batch!.max_bytes || attempts.length >= options.batch!.max_requests)
      )
        await close();
      attempts.push(made);
      bytes += size;
    }
    await close();
  }
  const reservations = new Map<string, Reservation>();

  while (!signal?.aborted) {
    await compose();
    const open = chunks.filter(({ done }) => !done);
    if (open.length === 0) return; // all is answered, or the budget is used up
    for (const chunk of open) {
      try {
        if (!(await transport.begin(chunk, linesIn(chunk), save))) return;
      } catch (error) {
        if (!chunk.submitting && !chunk.batch) await giveBack(chunk);
        throw error;
      }
    }
    let came = 0;
    for (const chunk of open) {
      const lines = await transport.answers(chunk);
      if (!lines) return;
      let stop = chunk.failed;
      const missing: Attempt[] = [];
      for (const made of chunk.attempts) {
        const question = waiting.get(made.id);
        if (!question) continue;
        const found = lines.get(lineName(chunk, made));
        if (!found && transport.later) {
          missing.push(made);
          continue;
        }
        const outcome = await judgedLine(made, question, found);
        reservations.get(made.id)?.settle(outcome.used);
        stop ??= outcome.stop;
        if (!outcome.finished) continue;
        waiting.delete(made.id);
        came++;
        yield outcome.finished;
      }
      chunk.attempts = missing;
      chunk.done = missing.length === 0;
      await save();
      if (stop !== undefined) throw new DistillError(stop);
    }
    const left = open.flatMap(({ attempts }) => attempts).length;
    if (left > 0) {
      for (const chunk of open) if (!chunk.done) await transport.begin(chunk, linesIn(chunk), save);
      const files = options.batch!.files!;
      const name = [...client.names][0];
      throw new DistillError(
        `${left} requests wait in ${files} to be answered. Have each requests-*.jsonl there answered, such as by vllm run-batch -i ${join(files, "requests-….jsonl")} -o ${join(files, "answers.jsonl")} --model ${name}, leave what comes as another .jsonl in the same folder, and run the same command again.`,
      );
    }
    if (came === 0 && ++tries > options.max_retries) {
      told("The batches brought no further answers; the same command submits what is missing again.");
      return;
    }
  }

  /** Of a chunk that never left: it cost nothing, and may be asked in another way. */
  async function giveBack(chunk: Chunk): Promise<void> {
    const nothing = { prompt_tokens: 0, completion_tokens: 0, cost: 0 };
    const ending = {
      reason: "it was not submitted",
      status: null,
      stream: false,
      body: null,
      certain: true,
      latency: 0,
    };
    await Promise.all(chunk.attempts.map((made) => journal.end(made, { ...ending, outcome: "unsent", used: nothing })));
    chunk.done = true;
    await save();
  }

  /** What a line is, written down; nothing finished where it is to be asked again. */
  async function judgedLine(made: Attempt, question: Question & { index: number }, line: Line | undefined) {
    const body = line ? Buffer.from(JSON.stringify(line.body ?? null)) : Buffer.alloc(0);
    const reply = {
      status: line?.status ?? 0,
      headers: {},
      body,
      ...(line ? {} : { fault: { outcome: "refused" as const, reason: "the batch ended before it was done" } }),
    };
    const replied = { reply, assembled: assemble(body, false), stream: false };
    const { ending, answer, fault } = judged(client, question, made, asked, replied, { since: Date.now() });
    await journal.end(made, ending);
    const { index, id, request } = question;
    if (answer) {
      client.sure = true;
      return { used: ending.used, finished: given(index, request, answer, { ...made, ...ending }) };
    }
    const decision = decisionOn(fault!, endpoint, options, {
      sentAt: 0,
      failed: journal.ended(id, "failed"),
      lies: journal.ended(id, "lying"),
      elsewhere: false,
      others: "answered",
    });
    if (decision && "stop" in decision) return { used: ending.used, finished: undefined, stop: decision.stop };
    const error =
      decision && ("error" in decision ? decision.error : "refused" in decision ? decision.refused : undefined);
    return { used: ending.used, finished: error === undefined ? undefined : { index, error } };
  }
}
