import { likely, type Server } from "./server.ts";

/** OpenAI's own API and Azure's: newer models know no max_tokens, and fields that it does not know are errors. */
export const openai: Server = {
  name: "OpenAI",
  is: ({ host }) => /(^|\.)openai\.(com|azure\.com)$/.test(host),
  limit: "max_completion_tokens",
  drawing: () => ({}),
  tokens: likely,
  context: () => undefined,
  ids: false,
};
