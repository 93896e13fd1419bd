/** @file What a recipe says of a teacher behind a server. */

import { z } from "zod";
import { notContent } from "../../core/component.ts";
import { Timeouts } from "./exchange.ts";

const name = z.string().regex(/^[A-Za-z_]\w*$/, "expected the name of an environment variable, not a key");
const seconds = z.number().positive();

/** Names of header fields and parameters whose values are secrets, and are never written in a recipe. */
const SECRET = /auth|key|token|secret|cookie|password|signature|^sig$/i;

const Headers = z
  .record(z.string(), z.union([z.string(), z.strictObject({ env: name })]))
  .superRefine((headers, context) => {
    for (const [field, value] of Object.entries(headers))
      if (typeof value === "string" && SECRET.test(field))
        context.addIssue({
          code: "custom",
          path: [field],
          message: `a recipe is kept with every run, so no secret may stand in it. Put the value into the environment, and its name here: ${field}: { env: NAME }`,
        });
  });

const Url = z.string().superRefine((value, context) => {
  const refuse = (message: string) => context.addIssue({ code: "custom", message });
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    return refuse(`"${value.slice(0, 100)}" is no address of a server. Expected such as http://127.0.0.1:8000/v1`);
  if (url.username || url.password)
    refuse("a name and a password do not belong into an address; use api_key_env or headers");
  for (const [parameter] of url.searchParams)
    if (SECRET.test(parameter)) refuse(`the parameter ${parameter} is a secret; use api_key_env or headers`);
});

/** One server, or one replica of several. */
const Endpoint = z.strictObject({ url: Url, api_key_env: name.optional(), headers: Headers.optional() });

const money = z.number().nonnegative();

export const Price = z.strictObject({
  /** Money for a million tokens. */
  input: money,
  cached_input: money.optional(),
  output: money,
  currency: z.string({ error: "a price needs its currency, such as USD" }).min(1),
  /** The day on which it was looked up. */
  as_of: z.string().optional(),
  /** What a batch costs of that. */
  batch_factor: z.number().positive().default(0.5),
});

export const BatchOptions = z.strictObject({
  /** Where plain files of requests are written and answers are looked for; unless given, batches are submitted. */
  files: z.string().optional(),
  completion_window: z.string().default("24h"),
  /** Seconds between two looks at a batch. */
  poll: seconds.default(60),
  /** Requests and bytes of one file. */
  max_requests: z.int().positive().max(50_000).default(50_000),
  max_bytes: z
    .int()
    .positive()
    .default(100 * 2 ** 20),
});
export type BatchOptions = z.output<typeof BatchOptions>;

export const Options = z.object({
  /** Where the server is, such as http://127.0.0.1:8000/v1; several share the work. */
  base_url: notContent(z.union([Url, Endpoint, z.array(z.union([Url, Endpoint])).min(1)])),
  /** Its name at the server; the only one that it has unless given. */
  model: z.string().min(1).optional(),
  /** Other names that the model may have in answers, as behind a gateway. */
  answers_as: notContent(z.array(z.string().min(1)).default([])),
  /** The environment variable that holds the key. */
  api_key_env: notContent(name.optional()),
  headers: notContent(Headers.default({})),
  /** chat sends messages; completions sends the text that chat_template or tokenizer makes of them. */
  endpoint: z.enum(["chat", "completions"]).default("chat"),
  /** "plain", "r1" or a Jinja text; the tokenizer's own unless given. Only completions are asked through it. */
  chat_template: z.string().min(1).optional(),
  /** A folder with the model's tokenizer: its template, its token ids, and the lengths of prompts. */
  tokenizer: notContent(z.string().min(1).optional()),
  /** Further fields of each request; null leaves out one that would be sent. */
  extra_body: z.record(z.string(), z.unknown()).default({}),
  /** Where reasoning is: a field of the answer, in its text, or wherever it is found. */
  reasoning: z.enum(["auto", "field", "inline"]).default("auto"),
  /** Tokens of prompt and completion; what the server says unless given. */
  context_size: z.int().positive().optional(),
  /** Whether answers come token by token; auto streams those that may take long. */
  stream: notContent(z.union([z.boolean(), z.literal("auto")]).default("auto")),
  /** The most requests under way at each server. */
  max_concurrency: notContent(z.int().positive().max(4096).default(64)),
  /** How often a request is made again that failed after work. */
  max_retries: notContent(z.int().nonnegative().default(2)),
  /** Seconds for which no server may answer anything before the run stops. */
  patience: notContent(seconds.default(600)),
  timeouts: notContent(Timeouts.prefault({})),
  /** Ask a few short things first, to see whether what is asked for is obeyed. */
  probe: notContent(z.boolean().default(true)),
  price: notContent(Price.optional()),
  /** Set by distill sample --batch. */
  batch: notContent(BatchOptions.optional()),
});
export type Options = z.output<typeof Options>;
