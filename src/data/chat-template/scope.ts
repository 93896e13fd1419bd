/** @file What names mean in a template. */

import { type Callable, Namespace } from "./values.ts";

/** Names that no variable hides. */
const CONSTANTS: ReadonlyMap<string, unknown> = new Map([
  ...["true", "True"].map((name) => [name, true] as const),
  ...["false", "False"].map((name) => [name, false] as const),
  ...["none", "None"].map((name) => [name, null] as const),
]);

/** Names, and where to look for others. */
export class Scope {
  readonly names: Map<string, unknown>;
  private readonly outer: Scope | undefined;

  constructor(outer?: Scope, names: Iterable<readonly [string, unknown]> = []) {
    this.outer = outer;
    this.names = new Map(names);
  }

  get(name: string): unknown {
    if (CONSTANTS.has(name)) return CONSTANTS.get(name);
    return this.names.has(name) ? this.names.get(name) : this.outer?.get(name);
  }
}

/** What a loop knows of itself. */
export function loopState(all: readonly unknown[], i: number, changed: Callable): Namespace {
  const cycle: Callable = (args) => args[i % args.length];
  const state: Record<string, unknown> = {
    index: i + 1,
    index0: i,
    revindex: all.length - i,
    revindex0: all.length - i - 1,
    first: i === 0,
    last: i === all.length - 1,
    length: all.length,
    previtem: all[i - 1],
    nextitem: all[i + 1],
    cycle,
    changed,
  };
  return new Namespace(new Map(Object.entries(state)));
}
