// A word problem worked by a program that is told the answer: the sums over the problem's numbers that come to it.

const SUMS = { "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b, "/": (a, b) => a / b };
const OPS = Object.keys(SUMS);

/** A chain is a function of the numbers: what it comes to, and how its sums are written. */
const number = (i) => (numbers) => ({ value: numbers[i], lines: [] });
const sum = (op, left, right) => (numbers) => {
  const [a, b] = [left(numbers), right(numbers)];
  const value = SUMS[op](a.value, b.value);
  return { value, lines: [...a.lines, ...b.lines, `${a.value} ${op} ${b.value} = ${value}`] };
};

/** All chains of one sum, and all of two, over so many numbers, each used once at most. */
function chains(count) {
  const places = [...Array(count).keys()];
  const pairs = places.flatMap((i) => places.filter((j) => j !== i).map((j) => [i, j]));
  const one = pairs.flatMap(([i, j]) => OPS.map((op) => sum(op, number(i), number(j))));
  const two = pairs.flatMap(([i, j]) =>
    places
      .filter((k) => k !== i && k !== j)
      .flatMap((k) =>
        OPS.flatMap((first) =>
          OPS.flatMap((then) => {
            const inner = sum(first, number(i), number(j));
            return [sum(then, inner, number(k)), sum(then, number(k), inner)];
          }),
        ),
      ),
  );
  return [one, two];
}

/** The one shortest chain, of whole numbers, that comes to the answer, a sum a line; nothing where two different ones do. */
export function worked(prompt, answer) {
  const numbers = [...prompt.replace(/(?<=\d),(?=\d{3}\b)/g, "").matchAll(/\d+(?:\.\d+)?/g)].map(Number);
  if (numbers.length < 2 || numbers.length > 4) return undefined;
  for (const length of chains(numbers.length)) {
    const found = length.filter((chain) => {
      const { value, lines } = chain(numbers);
      return value === Number(answer) && lines.every((line) => / = \d+$/.test(line));
    });
    // chains that agree on other numbers too are the same, written in another order
    const others = numbers.map((x, i) => x + Math.SQRT2 * (i + 1));
    if (new Set(found.map((chain) => chain(others).value.toFixed(6))).size > 1) return undefined;
    if (found.length > 0) return found[0](numbers).lines.join("\n");
  }
  return undefined;
}
