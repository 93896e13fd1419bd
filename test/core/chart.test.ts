import assert from "node:assert/strict";
import { test } from "node:test";
import { chart } from "../../src/core/chart.ts";

const numbersOf = (svg: string, attribute: string) =>
  [...svg.matchAll(new RegExp(` ${attribute}="(-?[\\d.]+|NaN)"`, "g"))].map(([, number]) => Number(number));

test("every point of every line lies in the picture, higher values higher, whatever they are", () => {
  for (const values of [
    [0, 0.5, 1],
    [-3, 2, 1e6],
    [1e-7, 3e-7, 2e-7],
    [5, 5, 5],
    [0, 0, 0],
  ]) {
    const points = values.map((y, i) => [i * 10, y] as const);
    const svg = chart([{ title: "a panel", lines: [{ label: "a < b & c", points }] }], "step");
    assert.ok(svg.includes("a &lt; b &amp; c") && !svg.includes("NaN") && !svg.includes("undefined"));
    const [width, height] = ["width", "height"].map((name) => numbersOf(svg, name)[0]!) as [number, number];
    const drawn = /points="([^"]*)"/
      .exec(svg)![1]!
      .split(" ")
      .map((pair) => pair.split(",").map(Number));
    assert.equal(drawn.length, values.length);
    for (const [x, y] of drawn) assert.ok(x! >= 0 && x! <= width && y! >= 0 && y! <= height, `${x}, ${y}`);
    for (const [i, a] of values.entries())
      for (const [j, b] of values.entries()) if (a > b) assert.ok(drawn[i]![1]! <= drawn[j]![1]!);
    assert.ok(numbersOf(svg, "x").length < 60, "an axis has a handful of numbers");
  }
});

test("a single point, and panels below each other, are drawn as well", () => {
  const line = { label: "one", points: [[7, 0.3]] as [number, number][] };
  const svg = chart(
    [
      { title: "first", lines: [line] },
      { title: "second", lines: [line] },
    ],
    "step",
  );
  assert.ok(!svg.includes("NaN"));
  const [first, second] = [...svg.matchAll(/points="[\d.]+,([\d.]+)"/g)].map(([, y]) => Number(y));
  assert.ok(second! > first!);
});

test("a zoomed axis begins just below its least value, and names of many lines stand above them all", () => {
  const lines = Array.from({ length: 5 }, (_, i) => ({
    label: `line ${i}`,
    points: [0.81, 0.9, 0.95].map((y, x) => [100 * (x + 1), y - i / 1000] as const),
  }));
  const svg = chart([{ title: "a panel", lines, zoomed: true }], "tokens");
  const said = [...svg.matchAll(/ y="([\d.]+)"[^>]*>([^<]*)</g)].map(([, y, words]) => ({
    y: Number(y),
    words: words!,
  }));
  const axis = said.map(({ words }) => Number(words)).filter((value) => value > 0 && value < 1);
  assert.ok(Math.min(...axis) >= 0.78 && Math.max(...axis) >= 0.95, String(axis));
  const names = said.filter(({ words }) => words.startsWith("line ")).map(({ y }) => y);
  const drawn = [...svg.matchAll(/points="([^"]*)"/g)].flatMap(([, points]) =>
    points!.split(" ").map((pair) => Number(pair.split(",")[1])),
  );
  assert.equal(names.length, 5);
  assert.ok(Math.max(...names) <= Math.min(...drawn));
});

test("the names of few lines stand where no line is", () => {
  const at = (values: readonly number[]) => {
    const lines = ["a", "b"].map((label) => ({ label, points: values.map((y, x) => [x, y] as const) }));
    return Number(/ y="([\d.]+)"[^>]*class="halo"/.exec(chart([{ title: "a panel", lines }], "step"))![1]);
  };
  assert.ok(at([0, 1, 1, 1]) > at([1, 0.05, 0.05, 0.05]));
});
