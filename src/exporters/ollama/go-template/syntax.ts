/** @file What Go's text/template is made of, as far as chat templates need it. */

/** What a template is given, and what its terms come to. */
export type GoValue = string | number | boolean | null | GoValue[] | { [name: string]: GoValue };

/** Something with a value: a literal, fields of dot or of a variable, or a function and what it is given. */
export type Term =
  | { literal: GoValue }
  | { variable: string; fields: string[] }
  | { fields: string[] }
  | { name: string; given: Term[] };

/** Text, or what an action does. */
export type Node =
  | { text: string }
  | { print: Term }
  | { declare: string; value: Term }
  | { assign: string; value: Term }
  | { branches: { test: Term; body: Node[] }[]; otherwise: Node[] }
  | { range: Term; index?: string; item?: string; body: Node[]; otherwise: Node[] };
