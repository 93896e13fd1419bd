/**
 * @file The language of questions and their sentences, by lists of words and by n-grams, on MGSM (its folder of `mgsm_de.tsv` and
 * so on: github.com/google-research/url-nlp): `npm run bench:language -- FOLDER`.
 */

import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { detectLanguage, loadLanguages } from "../../src/rewards/language.ts";

const folder = process.argv[2] ?? "mgsm";
const languages = ["de", "en", "es", "fr", "ja", "ru", "th", "zh"];
const missing = languages.find((language) => !existsSync(join(folder, `mgsm_${language}.tsv`)));
if (missing) {
  console.log(`Skipped: there is no mgsm_${missing}.tsv in ${folder}. Give the folder of MGSM's files.`);
  process.exit(0);
}

type Labelled = { language: string; text: string };
const questions = languages.flatMap((language): Labelled[] =>
  readFileSync(join(folder, `mgsm_${language}.tsv`), "utf8")
    .trim()
    .split("\n")
    .map((line) => ({ language, text: line.split("\t")[0]! })),
);
/** Thai has no sign at the end of a sentence. */
const sentences = questions
  .filter(({ language }) => language !== "th")
  .flatMap(({ language, text }) => text.split(/[.!?。！？]\s*/).map((sentence) => ({ language, text: sentence })))
  .filter(({ text }) => text.trim().length >= 12);

function row(name: string, rows: readonly Labelled[]): string {
  const start = performance.now();
  const wrong = new Map<string, number>();
  for (const { language, text } of rows) {
    const found = detectLanguage(text);
    const mistake = `${language} as ${found}`;
    if (found !== language) wrong.set(mistake, (wrong.get(mistake) ?? 0) + 1);
  }
  const ms = (performance.now() - start) / rows.length;
  const all = [...wrong.values()].reduce((a, b) => a + b, 0);
  const most = [...wrong].sort((a, b) => b[1] - a[1]).slice(0, 4);
  const share = (100 * (1 - all / rows.length)).toFixed(2);
  return `| ${name} | ${rows.length - all} of ${rows.length} (${share} %) | ${ms.toFixed(3)} | ${most.map(([what, n]) => `${what} ${n}`).join(", ")} |`;
}

console.log(`${cpus()[0]?.model}, Node ${process.version}\n`);
console.log("| | right | ms each | most frequent mistakes |\n|---|---|---|---|");
console.log(row("questions, lists of words", questions));
console.log(row("sentences, lists of words", sentences));
await loadLanguages();
console.log(row("questions, n-grams", questions));
console.log(row("sentences, n-grams", sentences));
