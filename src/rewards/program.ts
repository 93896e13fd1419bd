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
 * The program of a completion. Of several blocks it is the last that defines what is called (to import a name is not to define
 * it), or, where programs read an input, the last that reads one: so not an example of its use. What that block takes from
 * others of the same completion comes with it, and what calls it where it only defines. Which block it is, is seen from the text alone: no block is tried, since one of several guesses would do then.
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
  // what comes after it and is used in it, such as a helper that is shown last
  for (let i = chosen + 1; i < blocks.length; i++) {
    const { made } = namesIn(blocks[i]!.code, wanted.language);
    if (![...made].some((name) => needed.has(name))) continue;
    parts.unshift(i);
    for (const name of made) needed.delete(name);
  }
  // an input that is read and never answered: the program goes on in the blocks that use what it made
  const complete = (code: string) => writes(code, wanted.language) && acts(code, wanted.language);
  for (let i = chosen + 1; i < blocks.length && wanted.names.length === 0; i++) {
    if (complete(parts.map((part) => blocks[part]!.code).join("\n"))) break;
    if (!parts.includes(i)) parts.push(i);
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
    const { made, inside } = namesIn(code, language);
    return names.filter((name) => made.has(name) || inside.has(name)).length;
  };
  const scores = blocks.map(({ code }) => (names.length > 0 ? count(code) : Number(reads(code, language))));
  const best = Math.max(...scores);
  return scores.lastIndexOf(best);
}

const reads = (code: string, language: Language) =>
  language === "python"
    ? /\binput\b(?!\s*=[^=])|\bstdin\b(?!\s*=[^=])|\bopen\s*\(\s*0\b|\bfileinput\b|\bos\.read\s*\(\s*0\b|__import__/.test(
        code,
      )
    : /\bstdin\b|\breadline\b|readFileSync\s*\(\s*(?:0|["']\/dev\/stdin)/.test(code);

const writes = (code: string, language: Language) =>
  language === "python"
    ? /\bprint\b|\bstdout\b|\bos\.write\b|\bexit\s*\(/.test(code)
    : /\bconsole\.\w+|\bstdout\b|\bwriteSync\b|\bprint\s*\(/.test(code);

/** Whether a block does something when it is run, and does not only define. */
const acts = (code: string, language: Language) =>
  language === "python"
    ? /^(?!(?:async\s+def|def|class|import|from)\b|[\w.,\s[\]*()]+(?::[^=\n]+)?=(?!=))[A-Za-z_]/m.test(code)
    : /^(?!(?:export|async|function|class|const|let|var|import)\b)[A-Za-z_$(]/m.test(code);

/** Names that a block has at its top, those of them that it makes itself, and those of methods and the like further in. */
function namesIn(code: string, language: Language) {
  const [defined, made, inside] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const line of code.split("\n")) {
    const own = language === "python" ? definedInPython(line) : definedInJavascript(line);
    for (const name of own) (/^\s/.test(line) ? inside : defined).add(name);
    if (!/^\s|^(?:from|import)\b/.test(line)) for (const name of own) made.add(name);
  }
  return { defined, made, inside };
}

/** Names of parameters and of what loops, comprehensions and the like go through. */
function boundIn(code: string, language: Language): string[] {
  const lists =
    language === "python"
      ? code.matchAll(/\bdef\s+\w+\s*\(([^)]*)|\blambda\s+([^:]*):|\bfor\s+(.+?)\s+in\b|\bas\s+(\w+)|(\w+)\s*:=/g)
      : code.matchAll(/\bfunction\s*\*?\s*[\w$]*\s*\(([^)]*)|\(([^()]*)\)\s*=>|([\w$]+)\s*=>|\bcatch\s*\((\w+)/g);
  return [...lists].flatMap(([, ...found]) => found.join(",").match(/[A-Za-z_$][\w$]*/g) ?? []);
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
  const bound = new Set(boundIn(bare, language));
  return new Set(used.filter((name) => !defined.has(name) && !inside.has(name) && !bound.has(name)));
}
