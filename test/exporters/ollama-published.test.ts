/** @file Chat templates as makers published them: each is said in Go's language, or refused; what is said is the same on conversations that nobody chose. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { seededRandom } from "../../src/core/random.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { goTemplate } from "../../src/exporters/ollama/go-template/template.ts";
import { ollamaTemplate } from "../../src/exporters/ollama/template.ts";
import { bundled, bundledNames, whyNoBundle, writeChatTokenizer } from "../support/chat-templates.ts";
import { scratch } from "../support/students.ts";

const folder = scratch();
const PIECES = ["hi", "What is 2 + 2?", "ok.", "a\nb", "{{ x }}", '<b> "q"', "É", "code:\n    x = 1", "tools"];

type Said = { role: "system" | "user" | "assistant"; content: string };

/** Conversations up to a question, without blanks at the ends of what is said and without reasoning: of both there are notes. */
function conversations(count: number, system: boolean): Said[][] {
  const random = seededRandom(5);
  const said = (role: Said["role"]): Said => {
    const pieces = Array.from({ length: 1 + random.below(3) }, () => PIECES[random.below(PIECES.length)]!);
    return { role, content: `${pieces.join(" ")} ${random.below(100)}` };
  };
  return Array.from({ length: count }, () => [
    ...(system && random.below(2) ? [said("system")] : []),
    ...Array.from({ length: random.below(4) }, () => [said("user"), said("assistant")]).flat(),
    said("user"),
  ]);
}

test("published templates are said or refused, and what is said is the same", { skip: whyNoBundle }, () => {
  let refused = 0;
  for (const name of bundledNames()) {
    const config = { chat_template: bundled(name) };
    const tokenizer = loadTokenizer(writeChatTokenizer(join(folder, name), "SmolLM2", config));
    try {
      const { template, notes } = ollamaTemplate(tokenizer);
      const run = goTemplate(template);
      for (const turns of conversations(40, !notes.some((note) => /writes no system message/.test(note)))) {
        const System = turns.find(({ role }) => role === "system")?.content ?? "";
        const Messages = turns.map(({ role, content }) => ({ Role: role, Content: content }));
        assert.equal(run({ System, Messages }), tokenizer.render(turns, { generate: true }), name);
      }
    } catch (error) {
      if (!(error instanceof DistillError)) throw error;
      refused++;
    }
  }
  const said = bundledNames().length - refused;
  assert.ok(said > 2 * refused, `${said} are said and ${refused} refused`);
});
