/** @file Flats: tensors laid end to end, in the order in which something is made of many at once. */

import type { Fold } from "../../compiler/folds.ts";
import type { Made } from "../../compiler/made.ts";
import type { Parameter } from "../../models/model.ts";
import { decays, gradientName, momentNames, sizeOf } from "./layout.ts";

/** Outputs of a kernel that cuts a flat; with the flat itself within the least number of buffers that adapters allow. */
export const FAN = 8;

/** Parameters that lie one after the other because something is made of them together; most are alone. */
export type Unit = readonly Parameter[];

/** Tensors that lie end to end in the order given, in states of these names, and what is made of them once a step. */
export type Flat = {
  parameters: readonly Parameter[];
  units: readonly Unit[];
  made: readonly Made[];
  param: string;
  grad: string;
  m: string;
  v: string;
};

export const total = ({ parameters }: Flat) => sumOf(parameters);

/** Rows of so many elements that parameters are, laid end to end. */
export const rowsIn = (parameters: readonly Parameter[], row: number): number => sumOf(parameters) / row;

const sumOf = (parameters: readonly Parameter[]): number =>
  parameters.reduce((sum, parameter) => sum + sizeOf(parameter), 0);

export const namesOf = (unit: Unit): string => unit.map(({ name }) => name).join();

const kindOf = (unit: Unit): string => unit.map(({ shape }) => `[${shape}]`).join();

type Order = {
  made: readonly Made[];
  folds: readonly Fold[];
  /** Names of what comes first among what does not decay. */
  first: readonly string[];
};

/**
 * Matrices apart from norms and biases, which do not decay; otherwise as many in a flat as fit. What something is made of is
 * together, and a flat has what is of the same shapes, so that it is made of many at once.
 */
export function layOut(parameters: readonly Parameter[], most: number, { made, folds, first }: Order): Flat[] {
  const joined = new Map<string, readonly string[]>();
  for (const { of } of [...made, ...folds]) if (of.length > 1) for (const name of of) joined.set(name, of);
  const groups: Unit[][] = [];
  for (const decaying of [true, false]) {
    let room = 0;
    const own = parameters.filter((parameter) => decays(parameter) === decaying);
    const known = new Map(own.map((parameter) => [parameter.name, parameter]));
    const units = own.flatMap((parameter): Unit[] => {
      const of = joined.get(parameter.name) ?? [parameter.name];
      return of[0] === parameter.name ? [of.map((name) => known.get(name)!)] : [];
    });
    const isFirst = ([parameter]: Unit) => first.includes(parameter!.name);
    const inFront = [...units.filter(isFirst), ...units.filter((unit) => !isFirst(unit))];
    const kinds = made.length > 0 && decaying;
    for (const unit of !decaying ? inFront : kinds ? byKind(units) : units) {
      const size = sumOf(unit);
      const last = groups.at(-1)?.[0];
      if (size > room || (kinds && last && kindOf(last) !== kindOf(unit))) {
        groups.push([]);
        room = most;
      }
      groups.at(-1)!.push(unit);
      room -= size;
    }
  }
  return groups.map((units, i) => {
    const param = `flat/${i}`;
    const [m, v] = momentNames(param);
    const names = new Set([...units.map(namesOf), ...units.flat().map(({ name }) => name)]);
    const own = made.filter(({ of }) => names.has(of.join()));
    return { parameters: units.flat(), units, made: own, param, grad: gradientName(param), m, v };
  });
}

/** Those of the same shapes one after the other, otherwise as they come. */
function byKind(units: readonly Unit[]): Unit[] {
  const kinds = new Map<string, Unit[]>();
  for (const unit of units) kinds.set(kindOf(unit), [...(kinds.get(kindOf(unit)) ?? []), unit]);
  return [...kinds.values()].flat();
}
