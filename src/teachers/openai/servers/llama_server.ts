import { z } from "zod";
import { lengthOf, likely, type Server } from "./server.ts";

const Props = z.looseObject({
  total_slots: z.number().optional(),
  default_generation_settings: z.looseObject({ n_ctx: z.number().optional() }).optional(),
});
const props = (given: unknown) => Props.safeParse(given).data;

/** llama.cpp's own server. It lets any number of requests wait, and answers to any name of a model. */
export const llama_server: Server = {
  name: "llama-server",
  is: ({ models, props: given }) =>
    models?.some(({ owned_by }) => owned_by === "llamacpp") === true || props(given)?.total_slots !== undefined,
  limit: "max_tokens",
  drawing: ({ top_k, min_p }) => ({ top_k, min_p }),
  tokens: likely, // each with its id
  slots: ({ props: given }) => props(given)?.total_slots,
  context: ({ props: given }, model) =>
    props(given)?.default_generation_settings?.n_ctx ?? model?.meta?.n_ctx ?? undefined,
  ids: false, // it then answers in a shape of its own
  tokenize: {
    path: "/tokenize",
    body: (content) => ({ content, add_special: true, parse_special: true }),
    count: (reply) => lengthOf(reply, "tokens"),
  },
  resumable: true,
};
