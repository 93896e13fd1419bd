import { placesOf } from "../../data/files/places.ts";
import { isHubReference } from "../../hub/reference.ts";
import type { InitArguments } from "../init.ts";
import { type Begun, EXPORT, measured, problems, real, SMALL, STUDENT, yaml } from "./begun.ts";

/** From rows that are there: the user's own, or solved problems that are written for a first try. */
export function dataset(name: string, { dataset: own, student }: InitArguments): Begun {
  if (own !== undefined && !isHubReference(own)) placesOf(own); // says what is not there, or which split is to be named
  const [rows, test] = [`${name}-rows.jsonl`, `${name}-test.jsonl`];
  const training = student === undefined && own === undefined ? SMALL : real(student ?? STUDENT);
  const trained = `dataset: { path: ${yaml(own ?? rows)} }   # rows with prompt and completion, or with messages
${training}${EXPORT}`;
  if (own !== undefined)
    return {
      recipe: `${trained}# evaluation: { prompts: { path: test.jsonl } }   # lines with prompt and answer
`,
      files: {},
      begin: `It trains on ${own}. distill inspect ${name}.yaml shows the first rows as they are trained on.`,
    };
  return {
    recipe: `${trained}${measured(test, 320)}`,
    files: {
      [rows]: problems("train", 400, ["prompt", "completion"]),
      [test]: problems("test", 40, ["prompt", "answer"]),
    },
    begin: `${rows} has solved problems to try it with, ${test} others to measure on: put your own in their place.`,
  };
}
