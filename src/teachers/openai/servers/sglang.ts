import { likely, type Server } from "./server.ts";

/** SGLang. */
export const sglang: Server = {
  name: "SGLang",
  is: ({ models }) => models?.some(({ owned_by }) => owned_by === "sglang") === true,
  limit: "max_tokens",
  drawing: ({ top_k, min_p }) => ({ top_k: top_k === 0 ? -1 : top_k, min_p }),
  tokens: (k, endpoint) => ({ return_token_ids: true, ...likely(k, endpoint) }),
  context: (_, model) => model?.max_model_len ?? undefined,
  ids: true,
};
