/** @file What a server's tokens cost: as the recipe says, else as a table of a stated version has it. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Price, Usage } from "../budget.ts";
import type { Options } from "./options.ts";

type Asked = Pick<Options, "price" | "base_url" | "model" | "batch">;

/** The price, where somebody knows it. */
export function priceOf({ price, base_url, model, batch }: Asked): Price | undefined {
  if (!price) return fromTable({ base_url, model, batch });
  const { input, cached_input = input, output, currency, as_of, batch_factor } = price;
  const factor = batch ? batch_factor : 1;
  return {
    currency,
    source: `the recipe${as_of === undefined ? "" : `, as of ${as_of}`}`,
    of({ prompt_tokens, completion_tokens, cached_tokens }) {
      const cached = Math.min(cached_tokens ?? 0, prompt_tokens);
      const sum = (prompt_tokens - cached) * input + cached * cached_input + completion_tokens * output;
      return (factor * sum) / 1e6;
    },
  };
}

const TABLE = "@pydantic/genai-prices";

/** The table's price of a model at the provider that has this address. It knows nothing of batches, which cost less. */
function fromTable({ base_url, model, batch }: Omit<Asked, "price">): Price | undefined {
  if (model === undefined) return undefined;
  const urls = (Array.isArray(base_url) ? base_url : [base_url]).map((one) =>
    typeof one === "string" ? one : one.url,
  );
  const require = createRequire(import.meta.url);
  const { calcPrice } = require(TABLE) as typeof import("@pydantic/genai-prices");
  const of = (usage: Usage) => {
    const asked = {
      input_tokens: usage.prompt_tokens,
      cache_read_tokens: Math.min(usage.cached_tokens ?? 0, usage.prompt_tokens),
      output_tokens: usage.completion_tokens,
    };
    const prices = urls.map((providerApiUrl) => calcPrice(asked, model, { providerApiUrl })?.total_price);
    return prices.every((one) => one !== undefined) ? Math.max(...(prices as number[])) : undefined;
  };
  if (of({ prompt_tokens: 1, completion_tokens: 1 }) === undefined) return undefined;
  const { version } = JSON.parse(readFileSync(require.resolve(TABLE).replace(/dist\/.*$/, "package.json"), "utf8")) as {
    version: string;
  };
  return {
    currency: "USD",
    source: `the table ${TABLE} ${version}${batch ? ", not in a batch, which mostly costs half" : ""}`,
    of: (usage) => of(usage) ?? 0,
  };
}
