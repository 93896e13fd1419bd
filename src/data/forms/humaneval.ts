import { type Form, tested, text } from "./form.ts";

/** openai/openai_humaneval: a function to complete, and a test that is called with it. */
export const humaneval: Form = {
  needs: ["prompt", "test", "entry_point"],
  read(row) {
    const [prompt, entry] = [text(row, "prompt"), text(row, "entry_point")];
    // what stands before the function may be what tests call
    const start = prompt.lastIndexOf(`def ${entry}(`);
    const assertion = [prompt.slice(0, Math.max(0, start)), text(row, "test"), `check(${entry})`].join("\n");
    return {
      ...(typeof row.task_id === "string" ? { id: row.task_id } : {}),
      prompt: `Complete this function:\n\n\`\`\`python\n${prompt.trimEnd()}\n\`\`\``,
      answer: tested({ assertions: [assertion] }),
    };
  },
};
