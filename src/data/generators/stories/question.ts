/** @file A chain of operations as a question: a story, instructions or an expression. */

import { pick, type Random } from "../../../core/random.ts";
import type { Chain } from "./chain.ts";

/** A chain in words or symbols. */
export function write(random: Random, chain: Chain): string {
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
