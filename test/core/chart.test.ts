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
