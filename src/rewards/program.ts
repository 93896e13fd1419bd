/** @file Which of a completion's blocks of code are the program: the solution, not what shows how it is used. */

import { type Fence, fencedBlocks } from "./fences.ts";
import { answerPart } from "./parts.ts";
import type { Language } from "./sandbox/protocol.ts";

/** What blocks of a language are labelled with; those without a label may be of any. */
const LABELS: Record<string, Language> = {
  ...{ python: "python", python3: "python", py: "python", py3: "python", cpython: "python", pypy3: "python" },
  ...{ javascript: "javascript", js: "javascript", node: "javascript", mjs: "javascript", nodejs: "javascript" },
};

export type Wanted = {
  language: Language;
  /** What the tests call; none where they run the program with an input. */
  names: readonly string[];
};

/**
 * The program of a completion. Of several blocks it is the last that defines what is called, or, where programs read an input,
 * the last that reads one: so not an example of its use. What that block takes from others of the same completion comes with
 * it. Which block it is, is seen from the text alone: no block is tried, since one of several guesses would do then.
 */
export function programIn(completion: string, wanted: Wanted): string | undefined {
  const all = fencedBlocks(answerPart(completion)).filter(({ code }) => code.trim() !== "");
  const labelled = all.filter(({ language }) => LABELS[language] === wanted.language);
  const blocks = labelled.length > 0 ? labelled : all.filter(isUnlabelled(wanted.language));
  if (blocks.length === 0) return undefined;
  const chosen = solution(blocks, wanted);
  const parts = [chosen];
  const rest = (code: string) => missing(code, wanted.language);
  // what stands before it and is used in it, the last definition of each name
  const needed = rest(blocks[chosen]!.code);
  for (let i = chosen - 1; i >= 0; i--) {
    const { defined } = namesIn(blocks[i]!.code, wanted.language);
    if (![...defined].some((name) => needed.has(name))) continue;
    parts.unshift(i);
    for (const name of defined) needed.delete(name);
    for (const name of rest(blocks[i]!.code)) needed.add(name);
  }
  // an input that is read and never answered: the program goes on in the blocks that use what it made
  if (wanted.names.length === 0 && !writes(parts.map((i) => blocks[i]!.code).join("\n"), wanted.language))
    for (let i = chosen + 1; i < blocks.length; i++) {
      parts.push(i);
      if (writes(blocks[i]!.code, wanted.language)) break;
    }
  return parts.map((i) => blocks[i]!.code).join("\n");
}

const isUnlabelled =
  (language: Language) =>
  ({ language: label, code }: Fence) =>
    label === "" && looksLike(code, language);

/** Sample inputs, formulas and shell commands are fenced too. */
const looksLike = (code: string, language: Language) =>
  language === "python"
    ? /^\s*(?:def|class|import|from|for|while|if|print|async|with|try|@)\b|^\s*[\w, .[\]()*]+\s*[-+*/|&]?=[^=]|^\s*print\s*\(|\w+\(.*\)\s*$/m.test(
        code,
      )
    : /\b(?:const|let|var|function|class|require|import)\b|=>|console\.|;\s*$/m.test(code);

/** The place of the block that is judged. */
function solution(blocks: readonly Fence[], { language, names }: Wanted): number {
  const count = (code: string) => {
    const { defined, inside } = namesIn(code, language);
    return names.filter((name) => defined.has(name) || inside.has(name)).length;
  };
  const scores = blocks.map(({ code }) => (names.length > 0 ? count(code) : Number(reads(code, language))));
  const best = Math.max(...scores);
  return scores.lastIndexOf(best);
}

const reads = (code: string, language: Language) =>
  language === "python"
    ? /\binput\s*\(|\bstdin\b|\bopen\s*\(\s*0\b|\bfileinput\b|\bos\.read\s*\(\s*0\b|__import__/.test(code)
    : /\bstdin\b|\breadline\b|readFileSync\s*\(\s*(?:0|["']\/dev\/stdin)/.test(code);

const writes = (code: string, language: Language) =>
  language === "python"
    ? /\bprint\b|\bstdout\b|\bos\.write\b|\bexit\s*\(/.test(code)
    : /\bconsole\.\w+|\bstdout\b|\bwriteSync\b|\bprint\s*\(/.test(code);

/** Names that a block defines at its top, and methods and the like further in. */
function namesIn(code: string, language: Language): { defined: Set<string>; inside: Set<string> } {
  const defined = new Set<string>();
  const inside = new Set<string>();
  for (const line of code.split("\n")) {
    const own = language === "python" ? definedInPython(line) : definedInJavascript(line);
    for (const name of own) (/^\s/.test(line) ? inside : defined).add(name);
  }
  return { defined, inside };
}

function definedInPython(line: string): string[] {
  const [, made] = /^\s*(?:async\s+def|def|class)\s+(\w+)/.exec(line) ?? [];
  if (made) return [made];
  const [, imported] = /^\s*(?:from\s+[\w.]+\s+)?import\s+(.+)/.exec(line) ?? [];
  if (imported) return imported.split(",").flatMap((part) => /(\w+)\s*[)\\]?\s*$/.exec(part)?.[1] ?? []);
  const [, targets] = /^\s*([A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*)\s*(?::[^=]+)?=(?!=)/.exec(line) ?? [];
  return targets ? targets.split(",").map((name) => name.trim()) : [];
}

function definedInJavascript(line: string): string[] {
  const [, made] = /^\s*(?:export\s+(?:default\s+)?)?(?:async\s+)?(?:function\s*\*?|class)\s+([\w$]+)/.exec(line) ?? [];
  if (made) return [made];
  const [, declared] = /^\s*(?:export\s+)?(?:const|let|var)\s+([\w$]+|[{[][^=]*[}\]])/.exec(line) ?? [];
  if (declared) return declared.match(/[A-Za-z_$][\w$]*/g) ?? [];
  const [, exported] = /^\s*(?:module\.exports|exports)\.([\w$]+)\s*=/.exec(line) ?? [];
  return exported ? [exported] : [];
}

/** Names that a block uses and does not define. */
function missing(code: string, language: Language): Set<string> {
  const { defined, inside } = namesIn(code, language);
  const bare = code
    .replace(/(["'`])(?:\\.|(?!\1)[^\\\n])*\1/g, '""')
    .replace(language === "python" ? /#.*/g : /\/\/.*/g, "");
  const used = bare.match(/(?<![\w$.])[A-Za-z_$][\w$]*/g) ?? [];
  return new Set(used.filter((name) => !defined.has(name) && !inside.has(name)));
}
