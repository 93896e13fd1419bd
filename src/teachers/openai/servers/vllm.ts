import { z } from "zod";
import { likely, type Server } from "./server.ts";

const Count = z.looseObject({ count: z.number() });

/** vLLM: it counts tokens, tells their ids, and takes as many requests as come. */
export const vllm: Server = {
  name: "vLLM",
  is: ({ models }) => models?.some(({ owned_by }) => owned_by === "vllm") === true,
  limit: "max_tokens",
  drawing: ({ top_k, min_p }) => ({ top_k: top_k === 0 ? -1 : top_k, min_p }),
  tokens: (k, endpoint) => ({
    return_token_ids: true,
    ...(k > 0 ? { ...likely(k, endpoint), return_tokens_as_token_ids: true } : {}),
  }),
  context: (_, model) => model?.max_model_len ?? undefined,
  ids: true,
  tokenize: {
    path: "/tokenize",
    body: (prompt, model) => ({ model, prompt }),
    count: (reply) => Count.safeParse(reply).data?.count,
  },
};
