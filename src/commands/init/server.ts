import type { InitArguments } from "../init.ts";
import { asked } from "./asked.ts";
import { type Begun, EXPORT, measured, problems, real, STUDENT, yaml } from "./begun.ts";

const URL = "http://127.0.0.1:8000/v1";
const TOKENS = 2048;

/** From the traces of a model behind a server. */
export function server(name: string, { url = URL, model, student = STUDENT }: InitArguments): Begun {
  const [prompts, test] = [`${name}-prompts.jsonl`, `${name}-test.jsonl`];
  return {
    recipe: `teacher:
  type: openai                         # vLLM, llama-server, SGLang, and what else speaks OpenAI's protocol
  base_url: ${yaml(url)}
  ${model === undefined ? "# model: NAME                        # the only one that it has unless given" : `model: ${yaml(model)}`}
  # api_key_env: OPENAI_API_KEY        # the variable that holds the key, where there is one
${asked(prompts, TOKENS, false)}${real(student)}${EXPORT}${measured(test, TOKENS)}`,
    files: {
      [prompts]: problems("train", 100, ["prompt", "answer"]),
      [test]: problems("test", 40, ["prompt", "answer"]),
    },
    begin: `${prompts} is what the server at ${url} is asked, ${test} what is measured on: put your own in their place.`,
  };
}
