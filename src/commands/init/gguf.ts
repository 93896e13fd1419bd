import type { InitArguments } from "../init.ts";
import { asked } from "./asked.ts";
import { type Begun, EXPORT, measured, packaged, problems, real, SMALL, STUDENT, yaml } from "./begun.ts";

/** From the traces of a model in a GGUF file: the user's own, or the small one of this package for a first try. */
export function gguf(name: string, { teacher, student }: InitArguments): Begun {
  const [prompts, test] = [`${name}-prompts.jsonl`, `${name}-test.jsonl`];
  const small = teacher === undefined;
  const path = teacher ?? packaged("data/models/stories-teacher-q8_0.gguf");
  const tokens = small ? 320 : 1024;
  return {
    recipe: `teacher:
  type: llama_cpp
  path: ${yaml(path)}
  context_size: ${small ? 512 : 2048}                   # tokens of prompt and completion
${asked(prompts, tokens, small)}${small && student === undefined ? SMALL : real(student ?? STUDENT)}${EXPORT}${measured(test, tokens)}`,
    files: {
      [prompts]: problems("train", small ? 300 : 100, ["prompt", "answer"]),
      [test]: problems("test", 40, ["prompt", "answer"]),
    },
    begin: `${prompts} is what the teacher is asked, ${test} what is measured on: put your own in their place.`,
  };
}
