/** @file What a recipe says of a teacher behind a server. */

import { z } from "zod";
import { notContent } from "../../core/component.ts";
import { Timeouts } from "./exchange.ts";

const name = z.string().regex(/^[A-Za-z_]\w*$/, "expected the name of an environment variable, not a key");
const seconds = z.number().positive();

/** Names of header fields and parameters whose values are secrets, and are never written in a recipe. */
const SECRET = /auth|key|token|secret|cookie|password|signature|^sig$/i;

const Headers = z
  .record(
    z.string(),
    z.union([z.string(), z.strictObject({ env: name.describe("The environment variable that holds the value.") })]),
  )
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
const Endpoint = z.strictObject({
  url: Url.describe("Where it is."),
  api_key_env: name.optional().describe("The environment variable that holds its key."),
  headers: Headers.optional().describe("Header fields of each request to it."),
});

const money = z.number().nonnegative();

export const Price = z.strictObject({
  input: money.describe("Money for a million tokens of prompts."),
  cached_input: money.optional().describe("Money for a million tokens of prompts that the server still knew."),
  output: money.describe("Money for a million tokens of completions."),
  currency: z.string({ error: "a price needs its currency, such as USD" }).min(1).describe("Such as USD."),
  as_of: z.string().optional().describe("The day on which it was looked up."),
  batch_factor: z.number().positive().default(0.5).describe("The share of these prices that a batch costs."),
});

export const BatchOptions = z.strictObject({
  files: z
    .string()
    .optional()
    .describe(
      "Where plain files of requests are written and answers are looked for; unless given, batches are submitted.",
    ),
  completion_window: z.string().default("24h").describe("The time that the server may take."),
  poll: seconds.default(60).describe("Seconds between two looks at a batch."),
  max_requests: z.int().positive().max(50_000).default(50_000).describe("The most requests in one file."),
  max_bytes: z
    .int()
    .positive()
    .default(100 * 2 ** 20)
    .describe("The most bytes of one file."),
});
export type BatchOptions = z.output<typeof BatchOptions>;

export const Options = z.object({
  base_url: notContent(z.union([Url, Endpoint, z.array(z.union([Url, Endpoint])).min(1)])).describe(
    "Where the server is, such as http://127.0.0.1:8000/v1; several share the work.",
  ),
  model: z.string().min(1).optional().describe("Its name at the server; the only one that it has unless given."),
  answers_as: notContent(z.array(z.string().min(1)).default([])).describe(
    "Other names that the model may have in answers, as behind a gateway.",
  ),
  api_key_env: notContent(name.optional()).describe("The environment variable that holds the key."),
  headers: notContent(Headers.default({})).describe(
    "Further header fields of each request; { env: NAME } is a variable's value.",
  ),
  endpoint: z
    .enum(["chat", "completions"])
    .default("chat")
    .describe("chat sends messages; completions sends the text that chat_template or tokenizer makes of them."),
  chat_template: z
    .string()
    .min(1)
    .optional()
    .describe(
      '"plain", "r1" or a Jinja text; the tokenizer\'s own unless given. Only completions are asked through it.',
    ),
  tokenizer: notContent(z.string().min(1).optional()).describe(
    "A folder with the model's tokenizer: its template, its token ids, and the lengths of prompts.",
  ),
  extra_body: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Further fields of each request; null leaves out one that would be sent."),
  reasoning: z
    .enum(["auto", "field", "inline"])
    .default("auto")
    .describe("Where reasoning is: a field of the answer, in its text, or wherever it is found."),
  context_size: z
    .int()
    .positive()
    .optional()
    .describe("Tokens of prompt and completion; what the server says unless given."),
  stream: notContent(z.union([z.boolean(), z.literal("auto")]).default("auto")).describe(
    "Whether answers come token by token; auto streams those that may take long.",
  ),
  max_concurrency: notContent(z.int().positive().max(4096).default(64)).describe(
    "The most requests under way at each server.",
  ),
  max_retries: notContent(z.int().nonnegative().default(2)).describe(
    "How often a request is made again that failed after work.",
  ),
  patience: notContent(seconds.default(600)).describe(
    "Seconds for which no server may answer anything before the run stops.",
  ),
  timeouts: notContent(Timeouts.prefault({})).describe("How long is waited for a server."),
  probe: notContent(z.boolean().default(true)).describe(
    "Ask a few short things first, to see whether what is asked for is obeyed.",
  ),
  price: notContent(Price.optional()).describe("What tokens cost; from a table unless given."),
  batch: notContent(BatchOptions.optional()).describe("Set by distill sample --batch."),
});
export type Options = z.output<typeof Options>;
