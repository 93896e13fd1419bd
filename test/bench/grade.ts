/** @file The maths grader against cases of known truth: `npm run bench:grade -- [--cases FILE] [--json] [--peer [--python PYTHON]]`. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gradeMath, type Profile } from "../../src/rewards/math/index.ts";

type Case = {
  id: string;
  answer: string;
  prediction: string;
  expected: boolean;
  /** `lenient` where it is not said. */
  profile?: Profile;
  /** What the cases are counted by. */
  kind?: string;
  style?: string;
  source?: string;
  /** Marks cases that graders' policies decide differently. */
  policy?: boolean;
  flag?: string;
  why?: string;
};

type Outcome = { correct: boolean; ms: number; rule: string; read: string };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cases: { type: "string" },
    json: { type: "boolean", default: false },
    peer: { type: "boolean", default: false },
    python: { type: "string", default: ".venv/bin/python" },
  },
});
const path = values.cases ?? positionals[0] ?? "../shared/data/math_cases.jsonl";

if (!existsSync(path)) {
  console.log(`Skipped: there are no cases at ${path}. Give the path of a file of them.`);
  process.exit(0);
}

const cases = readFileSync(path, "utf8")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => JSON.parse(line) as Case);

const judge = ({ answer, prediction, profile = "lenient" }: Case): Outcome => {
  const started = performance.now();
  const grade = gradeMath({ completion: prediction, answer, profile });
  const ms = performance.now() - started;
  return {
    correct: grade.verdict === "correct",
    ms,
    rule: grade.rule,
    read: `${grade.prediction} | ${grade.reference}`,
  };
};

function summarize(outcomes: readonly Outcome[]) {
  const rows = cases.map((row, i) => ({ ...row, ...outcomes[i]!, right: outcomes[i]!.correct === row.expected }));
  const isPolicy = (row: Case) => row.flag !== undefined || row.policy === true;
  const plain = rows.filter((row) => !isPolicy(row));
  const times = outcomes.map(({ ms }) => ms);
  return {
    cases: plain.length,
    right: plain.filter((row) => row.right).length,
    share_right: plain.filter((row) => row.right).length / plain.length,
    false_positives: plain.filter((row) => !row.right && row.correct).length,
    false_negatives: plain.filter((row) => !row.right && !row.correct).length,
    mean_ms: times.reduce((a, b) => a + b, 0) / times.length,
    max_ms: Math.max(...times),
    kinds: byKind(plain),
    failing: plain.filter((row) => !row.right),
    flagged: rows.filter(isPolicy),
  };
}

/** How many cases of each kind there are, and how they went. */
function byKind(rows: readonly (Case & { right: boolean; correct: boolean })[]) {
  const kinds = new Map<string, { cases: number; right: number; false_positives: number; false_negatives: number }>();
  for (const { kind = "other", right, correct } of rows) {
    const count = kinds.get(kind) ?? { cases: 0, right: 0, false_positives: 0, false_negatives: 0 };
    count.cases++;
    if (right) count.right++;
    else if (correct) count.false_positives++;
    else count.false_negatives++;
    kinds.set(kind, count);
  }
  return Object.fromEntries([...kinds].sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Summary = ReturnType<typeof summarize>;

function print(name: string, summary: Summary): void {
  const { cases, right, share_right, false_positives, false_negatives, mean_ms, max_ms, kinds } = summary;
  console.log(
    `${name}: ${right} of ${cases} unflagged cases right (${(100 * share_right).toFixed(1)} %), ` +
      `${false_positives} false positives, ${false_negatives} false negatives, ${mean_ms.toFixed(3)} ms a case (max ${max_ms.toFixed(1)})`,
  );
  if (Object.keys(kinds).length < 2) return;
  for (const [kind, count] of Object.entries(kinds))
    console.log(
      `  ${kind.padEnd(28)} ${count.right} of ${count.cases}` +
        (count.false_positives > 0 ? `, ${count.false_positives} false positives` : "") +
        (count.false_negatives > 0 ? `, ${count.false_negatives} false negatives` : ""),
    );
}

const short = (text: string) => (text.length > 110 ? `…${text.slice(-110)}` : text).replaceAll("\n", "⏎");

// Three rounds warm the compiler up; then each case's best of five counts, since other programs may hold the processor.
for (let round = 0; round < 3; round++) cases.forEach(judge);
const rounds = Array.from({ length: 5 }, () => cases.map(judge));
const ours = summarize(
  rounds[0]!.map((outcome, i) => ({ ...outcome, ms: Math.min(...rounds.map((round) => round[i]!.ms)) })),
);
const peer = values.peer ? runPeer() : undefined;

if (values.json) {
  const brief = ({ failing, flagged, ...rest }: Summary) => ({
    ...rest,
    failing: failing.map(({ id }) => id),
    flagged_right: flagged.filter((row) => row.right).map(({ id }) => id),
  });
  console.log(JSON.stringify({ ours: brief(ours), ...(peer ? { math_verify: brief(peer) } : {}) }, null, 2));
} else {
  print("distill", ours);
  if (peer) print("Math-Verify", peer);
  console.log(`\nFailing (${ours.failing.length}):`);
  for (const row of ours.failing)
    console.log(
      `  ${row.id} expected ${row.expected}, ${row.correct}: ${short(row.answer)}  <>  ${short(row.prediction)}\n      read as ${short(row.read)} (${row.rule})`,
    );
  const policies = new Map<string, typeof ours.flagged>();
  for (const row of ours.flagged) {
    const name = row.flag ?? row.kind ?? "policy";
    const policy = row.why ? `${name}: ${row.why}` : name;
    policies.set(policy, [...(policies.get(policy) ?? []), row]);
  }
  console.log("\nFlagged cases, by policy:");
  for (const [policy, rows] of policies)
    console.log(
      `  ${policy}\n${rows.map((row) => `      ${row.id} ${row.right ? "agrees" : `differs (expected ${row.expected}): ${short(row.answer)}  <>  ${short(row.prediction)}`}`).join("\n")}`,
    );
}

function runPeer(): Summary | undefined {
  const { python } = values;
  if (!existsSync(python) || spawnSync(python, ["-c", "import math_verify"]).status !== 0) {
    console.error(
      `Skipped the peer: ${python} has no math_verify. Install it with ${python} -m pip install math-verify.`,
    );
    return undefined;
  }
  const run = spawnSync(python, ["test/bench/peers/math_verify_cases.py", path], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (run.status !== 0) {
    console.error(`Skipped the peer: its script failed.\n${run.stderr}`);
    return undefined;
  }
  const rows = run.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { correct: boolean; ms: number });
  return summarize(rows.map((row) => ({ ...row, rule: "", read: "" })));
}
