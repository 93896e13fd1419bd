/** @file A small world of multi-step arithmetic: stories, instructions and expressions, with long checked solutions. */

import { z } from "zod";
import { deriveSeed, type Random, seededRandom } from "../../core/random.ts";
import { defineGenerator, type Problem } from "./generator.ts";

/** One problem in this many is for testing, whatever the seed. */
const TEST_SHARE = 20;

/** No value on the way is larger. */
const LARGEST = 199;

const share = z.number().nonnegative().default(0);

/**
 * Kinds of problems and their shares:
 * `reasoned`: a problem of `steps` operations, its solution in a think block, each step checked, mistakes taken back;
 * `single`: the same with one operation; `bare`: a problem of `steps` operations and nothing but its answer;
 * `restate`: a problem to be written as a chain of operations; `chain`: such a chain to be worked out.
 */
export const stories = defineGenerator({
  options: z.object({
    reasoned: share,
    single: share,
    bare: share,
    restate: share,
    chain: share,
    /** The least and the most operations in a problem. */
    steps: z.tuple([z.int().positive(), z.int().positive()]).default([3, 6]),
    /** Whether what is restated or worked out from a chain stands in think and answer blocks, as a solution does. */
    tags: z.boolean().default(true),
    /** The share of steps at which a solution slips and takes it back. */
    mistakes: z.number().min(0).max(1).default(0),
  }),
  create: ({ steps, tags, mistakes, ...shares }) =>
    function* (split, seed) {
      const random = seededRandom(deriveSeed(seed, split));
      const kinds = Object.entries(shares).filter(([, weight]) => weight > 0) as [Kind, number][];
      if (kinds.length === 0) kinds.push(["reasoned", 1]);
      while (true) {
        const kind = weighted(random, kinds);
        const [least, most] = kind === "single" ? [1, 1] : steps;
        const chain = drawChain(random, least + random.below(most - least + 1));
        const question = write(random, chain);
        // whether a problem is for testing hangs on its words, so that no kind of task shows one of the other split
        if ((deriveSeed(question) % TEST_SHARE === 0) === (split === "test"))
          yield (tags ? TASKS : UNTAGGED)[kind](question, chain, () => random.uniform() < mistakes, random);
      }
    },
});

type Kind = "reasoned" | "single" | "bare" | "restate" | "chain";

/** A start and what is done to it, one after the other. */
type Chain = { start: number; operations: Operation[] };
type Operation = { sign: "+" | "-"; by: number } | { sign: "*"; by: 2 | 3 } | { sign: "/"; by: 2 };

type Task = (question: string, chain: Chain, slips: () => boolean, random: Random) => Problem;

const reasoned: Task = (prompt, chain, slips, random) => {
  const { lines, value } = solve(chain, slips, random);
  const answer = String(value);
  return {
    prompt,
    completion: `<think>${[restated(chain), ...lines].join("\n")}</think><answer>${answer}</answer>`,
    answer,
  };
};

const TASKS: Record<Kind, Task> = {
  reasoned,
  single: reasoned,
  bare(prompt, chain) {
    const answer = String(chain.operations.reduce(apply, chain.start));
    return { prompt, completion: `<answer>${answer}</answer>`, answer };
  },
  restate: (question, chain) => ({
    prompt: `Restate: ${question}`,
    completion: `<think>${restated(chain)}</think>`,
    answer: restated(chain),
  }),
  chain: (_, chain, slips, random) => reasoned(`Work out: ${restated(chain)}`, chain, slips, random),
};

const UNTAGGED: Record<Kind, Task> = {
  ...TASKS,
  restate: (question, chain) => ({
    prompt: `Restate: ${question}`,
    completion: restated(chain),
    answer: restated(chain),
  }),
  chain(_, chain, slips, random) {
    const { lines, value } = solve(chain, slips, random);
    return {
      prompt: `Work out: ${restated(chain)}`,
      completion: [...lines, `So ${value}.`].join("\n"),
      answer: String(value),
    };
  },
};

/** 14 +23 *2 -9 */
const restated = ({ start, operations }: Chain) =>
  [start, ...operations.map(({ sign, by }) => `${sign}${by}`)].join(" ");

function apply(value: number, { sign, by }: Operation): number {
  if (sign === "+") return value + by;
  if (sign === "-") return value - by;
  return sign === "*" ? value * by : value / by;
}

/** A line for each sum, difference or half: 14+23=37; check 37-23=14, ok. */
function solve({ start, operations }: Chain, slips: () => boolean, random: Random): { lines: string[]; value: number } {
  const lines: string[] = [];
  let value = start;
  const step = (sign: "+" | "-" | "/", by: number) => {
    const line = (result: number) => {
      const back = sign === "+" ? result - by : sign === "-" ? result + by : result + result;
      const check = sign === "+" ? `${result}-${by}` : sign === "-" ? `${result}+${by}` : `${result}+${result}`;
      return `${value}${sign}${by}=${result}; check ${check}=${back}, ${back === value ? "ok." : `not ${value}. Wait.`}`;
    };
    const result = apply(value, { sign, by } as Operation);
    if (slips()) lines.push(line(slip(random, result, sign === "+" ? by : 0)));
    lines.push(line(result));
    value = result;
  };
  for (const { sign, by } of operations) {
    if (sign !== "*") step(sign, by);
    else for (let i = 1, once = value; i < by; i++) step("+", once);
  }
  return { lines, value };
}

/** A result that is wrong by one, two or ten, not less than `least`. */
function slip(random: Random, result: number, least: number): number {
  const wrong = result + pick(random, [1, -1, 10, -10, 2, -2]);
  return wrong < least ? result + 1 : wrong;
}

function drawChain(random: Random, length: number): Chain {
  const start = 3 + random.below(58);
  const operations: Operation[] = [];
  let value = start;
  while (operations.length < length) {
    const operation = drawOperation(random, value);
    if (!operation) continue;
    value = apply(value, operation);
    operations.push(operation);
  }
  return { start, operations };
}

/** Something that can be done to `value`, or nothing where the draw does not fit. */
function drawOperation(random: Random, value: number): Operation | undefined {
  const draw = random.below(12);
  if (draw < 5) {
    const by = 2 + random.below(68);
    return value + by <= LARGEST ? { sign: "+", by } : undefined;
  }
  if (draw < 9) return value > 4 ? { sign: "-", by: 2 + random.below(Math.min(68, value - 3)) } : undefined;
  if (draw === 9) return 2 * value <= LARGEST ? { sign: "*", by: 2 } : undefined;
  if (draw === 10) return 3 * value <= LARGEST ? { sign: "*", by: 3 } : undefined;
  return value % 2 === 0 && value >= 8 ? { sign: "/", by: 2 } : undefined;
}

/** A chain in words or symbols. */
function write(random: Random, chain: Chain): string {
  const style = random.below(8);
  if (style === 0) return expression(chain);
  return style === 1 ? instructions(random, chain) : story(random, chain);
}

/** ((14+23)*2-9)=? */
function expression({ start, operations }: Chain): string {
  let text = String(start);
  operations.forEach(({ sign, by }, i) => {
    const sum = i > 0 && (operations[i - 1]!.sign === "+" || operations[i - 1]!.sign === "-");
    text = `${(sign === "*" || sign === "/") && sum ? `(${text})` : text}${sign}${by}`;
  });
  return `${text}=?`;
}

function instructions(random: Random, { start, operations }: Chain): string {
  const words = operations.map(({ sign, by }) => {
    if (sign === "+") return pick(random, [`Add ${by}.`, `Then add ${by}.`, `Make it ${by} more.`]);
    if (sign === "-") return pick(random, [`Take away ${by}.`, `Subtract ${by}.`, `Make it ${by} less.`]);
    if (sign === "/") return pick(random, ["Halve it.", "Take half of it."]);
    return by === 2
      ? pick(random, ["Double it.", "Make it twice as much."])
      : pick(random, ["Triple it.", "Make it three times as much."]);
  });
  return [pick(random, [`Start with ${start}.`, `Take ${start}.`]), ...words, "What is it?"].join(" ");
}

function story(random: Random, { start, operations }: Chain): string {
  const [name, she] = pick(random, PEOPLE);
  const friend = pick(
    random,
    PEOPLE.filter(([other]) => other !== name),
  )[0];
  const things = pick(random, THINGS);
  const fill = (text: string, by: number) =>
    text
      .replaceAll("NAME", name)
      .replaceAll("FRIEND", friend)
      .replaceAll("THINGS", things)
      .replaceAll("SHE", she)
      .replaceAll("She", she === "she" ? "She" : "He")
      .replaceAll("BY", String(by));
  const sentences = operations.map(({ sign, by }) =>
    fill(pick(random, EVENTS[`${sign}${sign === "*" ? by : ""}`]!), by),
  );
  // something that changes nothing, with a number in it
  if (random.below(5) === 0)
    sentences.splice(random.below(sentences.length + 1), 0, fill(pick(random, ASIDES), 2 + random.below(28)));
  const first = fill(pick(random, OPENINGS), start);
  return [first, ...sentences, fill(pick(random, QUESTIONS), 0)].join(" ");
}

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;

function weighted(random: Random, kinds: readonly (readonly [Kind, number])[]): Kind {
  let left = random.uniform() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of kinds) {
    left -= weight;
    if (left < 0) return kind;
  }
  return kinds.at(-1)![0];
}

const PEOPLE: readonly (readonly [string, "she" | "he"])[] = [
  ..."Ana,Bea,Cleo,Dora,Emma,Fay,Gina,Hana,Ida,Jana".split(",").map((name) => [name, "she"] as const),
  ..."Alan,Ben,Carl,Dan,Emil,Finn,Gus,Hugo,Ivan,Jack".split(",").map((name) => [name, "he"] as const),
];

const THINGS = "marbles,apples,coins,cards,shells,stamps,books,beads,nuts,pens,stones,plums".split(",");

const OPENINGS = ["NAME has BY THINGS.", "NAME starts with BY THINGS.", "There are BY THINGS in the box of NAME."];

const EVENTS: Record<string, readonly string[]> = {
  "+": [
    "She finds BY more.",
    "NAME buys BY THINGS.",
    "FRIEND gives NAME BY THINGS.",
    "Then SHE gets BY more from FRIEND.",
    "BY more THINGS come in the mail.",
  ],
  "-": [
    "She loses BY of them.",
    "NAME gives BY THINGS to FRIEND.",
    "Then SHE sells BY.",
    "FRIEND takes BY THINGS away.",
    "BY of the THINGS break.",
  ],
  "*2": [
    "Then the number of THINGS doubles.",
    "FRIEND brings as many THINGS as NAME has.",
    "Soon SHE has twice as many.",
  ],
  "*3": ["Then the number of THINGS triples.", "Soon SHE has three times as many."],
  "/": ["She gives half of them to FRIEND.", "Half of the THINGS get lost.", "NAME sells half of the THINGS."],
};

const ASIDES = [
  "FRIEND is BY years old.",
  "NAME lives at number BY.",
  "It is BY days until the holidays.",
  "FRIEND has BY books about the sea.",
];

const QUESTIONS = [
  "How many THINGS does NAME have now?",
  "How many THINGS are there in the end?",
  "How many are left?",
];
