/** @file LaTeX as MathML that browsers draw themselves: what worked answers use of it. What is not known stays as it was written. */

/** An element: its name and what is in it. A page makes elements of it, never markup. */
export type Formula = [tag: string, ...content: (Formula | string)[]];

const SYMBOLS: Record<string, string> = {
  ...{ times: "×", cdot: "·", div: "÷", pm: "±", mp: "∓", le: "≤", leq: "≤", ge: "≥", geq: "≥", ne: "≠", neq: "≠" },
  ...{
    approx: "≈",
    equiv: "≡",
    sim: "∼",
    to: "→",
    rightarrow: "→",
    Rightarrow: "⇒",
    implies: "⇒",
    iff: "⇔",
    mapsto: "↦",
  },
  ...{ in: "∈", notin: "∉", subset: "⊂", subseteq: "⊆", cup: "∪", cap: "∩", emptyset: "∅", forall: "∀", exists: "∃" },
  ...{ infty: "∞", sum: "∑", prod: "∏", int: "∫", partial: "∂", nabla: "∇", ldots: "…", dots: "…", cdots: "⋯" },
  ...{ angle: "∠", circ: "∘", degree: "°", perp: "⊥", parallel: "∥", mid: "|", lfloor: "⌊", rfloor: "⌋", lceil: "⌈" },
  ...{ rceil: "⌉", langle: "⟨", rangle: "⟩", therefore: "∴", because: "∵", prime: "′", ast: "∗", star: "⋆", neg: "¬" },
  ...{ alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", varepsilon: "ε", theta: "θ", lambda: "λ", mu: "μ" },
  ...{ pi: "π", rho: "ρ", sigma: "σ", tau: "τ", phi: "φ", varphi: "φ", chi: "χ", psi: "ψ", omega: "ω", eta: "η" },
  ...{ zeta: "ζ", xi: "ξ", nu: "ν", kappa: "κ", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Pi: "Π", Sigma: "Σ" },
  ...{
    Phi: "Φ",
    Psi: "Ψ",
    Omega: "Ω",
    ell: "ℓ",
    quad: " ",
    qquad: "  ",
    ",": " ",
    ";": " ",
    ":": " ",
    "!": "",
    " ": " ",
  },
  ...{ "{": "{", "}": "}", "%": "%", $: "$", "&": "&", _: "_", "#": "#", "|": "‖", backslash: "\\" },
};
const WORDS = new Set(
  "sin cos tan cot sec csc log ln exp lim max min gcd lcm det mod bmod deg arcsin arccos arctan".split(" "),
);
const TEXTS = new Set("text mathrm textbf mathbf operatorname textit mathit mbox mathbb mathcal".split(" "));
/** Commands that change only how something looks. */
const SILENT = new Set("left right big Big bigl bigr Bigl Bigr displaystyle textstyle limits".split(" "));

const DEEPEST = 40;
const LONGEST = 4000; // characters

/** The formula of a text between dollars, or nothing where it is too long to be one. */
export function formulaOf(latex: string): Formula | undefined {
  if (latex.length > LONGEST) return undefined;
  const tokens =
    latex.match(/\\(?:[A-Za-z]+|[\s\S])|\d+(?:[.,]\d+)*|\s+|[\s\S]/g)?.filter((token) => token.trim()) ?? [];
  let at = 0;
  let failed = false;

  function row(until: string | undefined, depth: number): Formula {
    const parts: Formula[] = [];
    while (at < tokens.length && tokens[at] !== until) {
      const token = tokens[at];
      if (token === "^" || token === "_") {
        at++;
        const base = parts.pop() ?? ["mrow"];
        const script = one(depth + 1);
        const other = token === "^" ? "msub" : "msup";
        if (base[0] === other) {
          const [, inner, first] = base;
          parts.push(token === "^" ? ["msubsup", inner!, first!, script] : ["msubsup", inner!, script, first!]);
        } else parts.push([token === "^" ? "msup" : "msub", base, script]);
      } else parts.push(one(depth + 1));
    }
    if (until !== undefined && tokens[at++] !== until) failed = true;
    return parts.length === 1 ? parts[0]! : ["mrow", ...parts];
  }

  function one(depth: number): Formula {
    const token = tokens[at++];
    if (token === undefined || depth > DEEPEST) {
      failed = true;
      return ["mrow"];
    }
    if (token === "{") return row("}", depth);
    if (/^\d/.test(token)) return ["mn", token];
    if (/^\p{L}$/u.test(token)) return ["mi", token];
    if (!token.startsWith("\\")) return ["mo", token];
    const name = token.slice(1);
    if (["frac", "dfrac", "tfrac", "cfrac"].includes(name)) return ["mfrac", one(depth + 1), one(depth + 1)];
    if (name === "binom")
      return [
        "mrow",
        ["mo", "("],
        ["mtable", ["mtr", ["mtd", one(depth + 1)]], ["mtr", ["mtd", one(depth + 1)]]],
        ["mo", ")"],
      ];
    if (name === "sqrt") {
      if (tokens[at] !== "[") return ["msqrt", one(depth + 1)];
      at++;
      const index = row("]", depth + 1);
      return ["mroot", one(depth + 1), index];
    }
    if (name === "boxed" || name === "fbox") return ["menclose", one(depth + 1)];
    if (name === "overline" || name === "bar") return ["mover", one(depth + 1), ["mo", "¯"]];
    if (name === "vec") return ["mover", one(depth + 1), ["mo", "→"]];
    if (name === "hat") return ["mover", one(depth + 1), ["mo", "^"]];
    if (TEXTS.has(name)) return ["mtext", plain(one(depth + 1))];
    if (SILENT.has(name)) {
      if (tokens[at] === ".") at++;
      return ["mrow"];
    }
    if (WORDS.has(name)) return ["mi", name];
    const symbol = SYMBOLS[name];
    return symbol === undefined ? ["mtext", token] : [/^\p{L}$/u.test(symbol) ? "mi" : "mo", symbol];
  }

  const whole = row(undefined, 0);
  return failed ? undefined : ["math", whole];
}

/** The letters of a formula, one behind the other. */
const plain = ([, ...content]: Formula): string =>
  content.map((part) => (typeof part === "string" ? part : plain(part))).join("");
