// The equations in a worked solution: written alike, and whether they are true.

/** 4x$3=12 → 4 * 3 = 12: one way of writing, so that a small model need not learn several. */
export const alike = (solution) =>
  solution
    .replace(/\$\s*(?=[\d.])/g, "")
    .replace(/(?<=\d),(?=\d{3}\b)/g, "")
    .replace(/(?<=[\d)])\s*[x×](?=\s*[\d.(])/g, " * ")
    .replace(/(?<=[\d)])\s*([-+*/=])\s*(?=[\d.(])/g, " $1 ")
    .split("\n")
    .map((line) => line.replace(/[\s.,]*$/, "."))
    .join("\n");

const equations = (text) => [...text.matchAll(/(\(?[\d.][\d.() ]*(?: [-+*/] [\d.() ]+)+) = ([\d.]*\d)/g)];

const isTrue = ([, sum, result]) => {
  try {
    return Math.abs(Function(`return ${sum}`)() - Number(result)) < 1e-9; // digits, dots, brackets and operators only
  } catch {
    return false;
  }
};

/** Whether a line has equations, all of them true. */
export const isSound = (line) => equations(line).length > 0 && equations(line).every(isTrue);

/** What the last equation comes to, as it is written. */
export const lastResult = (text) => equations(text).at(-1)?.[2];
