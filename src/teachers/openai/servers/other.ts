import { likely, type Server } from "./server.ts";

/** Any other server, where none recognises itself: what is not in OpenAI's protocol is asked only where the recipe asks for it. */
export const other: Server = {
  name: "an OpenAI-compatible server",
  is: () => false,
  limit: "max_tokens",
  drawing: ({ top_k, min_p }) => ({ ...(top_k > 0 ? { top_k } : {}), ...(min_p > 0 ? { min_p } : {}) }),
  tokens: likely,
  context: (_, model) => model?.max_model_len ?? undefined,
  ids: false,
};
