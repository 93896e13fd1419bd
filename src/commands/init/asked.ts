import { yaml } from "./begun.ts";

const SYSTEM = "Reason step by step, and put the final answer into \\boxed{}.";

/** What a teacher is asked, and how its answers are judged; one that was taught the task needs no instructions. */
export const asked = (prompts: string, tokens: number, taught: boolean): string => `sampling:
  prompts: { path: ${yaml(prompts)} }   # lines with prompt, and with the answer that rules compare with
${taught ? "" : `  system_prompt: '${SYSTEM}'\n`}  num_generations: 2                   # traces of each prompt
  max_accepted: 1                      # no more are drawn once so many were accepted
  max_completion_length: ${tokens}
rewards:
  - { type: accuracy${taught ? "" : ", profile: lenient"} }
`;
