/**
 * @file An elementwise graph as one loop in WebAssembly, four elements of float32 at a time. ONNX Runtime copies every output
 * into fresh memory, which costs more than an optimizer's arithmetic; a loop writes in place and passes over memory once.
 *
 * The module (WebAssembly core specification 2.0) imports one memory, in which each tensor has a page: inputs first, then
 * results. It exports run(bytes, …scalars), which computes the first `bytes` of every page, and returns the sum; it computes
 * four elements at least, so that the last are filled up with zeros. Scalars are computed in double, elements in single
 * precision, their sum in double. Results below float32's smallest normal number are zero, as ONNX Runtime's are here:
 * moments of what is never trained would otherwise end among numbers with which processors are slow.
 */

import { DistillError, ShapeError } from "../core/errors.ts";
import { sameShape } from "../graph/shape.ts";
import { toposort, type Value } from "../graph/value.ts";
import * as ops from "../ops/index.ts";
import { PAGE } from "./page.ts";

export type Loop = {
  readonly code: Uint8Array<ArrayBuffer>;
  /** Inputs with elements, which all have the same shape. */
  readonly arrays: readonly string[];
  readonly scalars: readonly string[];
  readonly results: readonly string[];
};

/** The ops that a loop can compute. */
const computed = () => Object.values(ops).flatMap(({ type, opcodes }) => (opcodes ? [type] : []));

const SMALLEST_NORMAL = 2 ** -126;

const I32 = 0x7f;
const F64 = 0x7c;
const V128 = 0x7b;

/**
 * The loop that computes `outputs`, float32 tensors of one shape, from inputs of that shape and scalars, and sums `sum`, which
 * must be zero where all inputs are.
 */
export function emitLoop(outputs: Record<string, Value>, sum?: Value): Loop {
  const roots = [...Object.values(outputs), ...(sum ? [sum] : [])];
  const values = toposort(...roots);
  const { shape } = values.find((value) => value.shape.length > 0) ?? { shape: [] };
  for (const value of values) {
    const { name, node, data } = value;
    const fits =
      value.shape.length === 0 ? !roots.includes(value) : data === undefined && sameShape(value.shape, shape);
    if (!fits)
      throw new ShapeError(
        `A loop computes tensors of one shape from tensors of that shape and scalars; ${name ?? node?.op.type ?? "a constant"} is [${value.shape}] beside [${shape}].`,
      );
  }
  const named = (wanted: boolean) =>
    values.filter(({ name, shape }) => name !== undefined && shape.length > 0 === wanted);
  const [arrays, scalars] = [named(true), named(false)];
  const results = Object.entries(outputs);

  const locals: number[] = [];
  const first = 1 + scalars.length; // of the locals that are no parameters
  const newLocal = (type: number) => first + locals.push(type) - 1;
  const i = newLocal(I32);
  const totals = [newLocal(V128), newLocal(V128)] as const; // so that an addition need not wait for the one before
  const places = new Map<Value, number>(scalars.map((value, k) => [value, 1 + k]));
  const spread = new Map<Value, number>(); // scalars as four elements

  const [before, within]: [number[], number[]] = [[], []];
  const elementsOf = (value: Value): number => {
    if (value.shape.length > 0) return places.get(value)!;
    const known = spread.get(value) ?? newLocal(V128);
    if (!spread.has(value)) before.push(...get(places.get(value)!), DEMOTE, ...simd(F32X4_SPLAT), ...set(known));
    spread.set(value, known);
    return known;
  };
  for (const value of values) {
    const { node, data, shape } = value;
    const scalar = shape.length === 0;
    if (!node && data === undefined && scalar) continue; // a parameter
    const place = newLocal(scalar ? F64 : V128);
    const code = scalar ? before : within;
    if (node) {
      const { opcodes, type } = node.op;
      if (!opcodes) throw new DistillError(`A loop cannot compute ${type}. Expected one of: ${computed().join(", ")}.`);
      const operands = node.inputs.map((x) => (scalar ? places.get(x)! : elementsOf(x)));
      code.push(...operands.flatMap(get), ...(scalar ? [opcodes.scalar] : simd(opcodes.elements)));
    } else if (data !== undefined) code.push(F64_CONST, ...double(Number(data)));
    else code.push(...get(i), ...simd(V128_LOAD), ...at(arrays.indexOf(value)));
    code.push(...set(place));
    places.set(value, place);
  }
  const smallest = newLocal(V128);
  before.push(F64_CONST, ...double(SMALLEST_NORMAL), DEMOTE, ...simd(F32X4_SPLAT), ...set(smallest));
  for (const [k, [, value]] of results.entries()) {
    const result = elementsOf(value);
    within.push(...get(i), ...get(result), ...get(result), ...simd(F32X4_ABS), ...get(smallest), ...simd(F32X4_LESS));
    within.push(...simd(V128_ANDNOT), ...simd(V128_STORE), ...at(arrays.length + k));
  }
  if (sum) within.push(...accumulate(places.get(sum)!, totals));

  const body = [
    ...vector(locals.map((type) => [...unsigned(1), type])),
    ...before,
    LOOP,
    EMPTY,
    ...within,
    ...[...get(i), ...i32(16), I32_ADD, LOCAL_TEE, ...unsigned(i), ...get(0), I32_LESS, BRANCH_IF, 0],
    END,
    ...[...totals.flatMap(get), ...simd(F64X2_ADD), ...set(totals[0])],
    ...[...get(totals[0]), ...simd(F64X2_LANE), 0, ...get(totals[0]), ...simd(F64X2_LANE), 1, F64_ADD],
    END,
  ];
  const pages = arrays.length + results.length;
  const code = Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector([[I32], ...scalars.map(() => [F64])]), ...vector([[F64]])]])),
    ...section(2, vector([[...text("host"), ...text("memory"), 2, 0, ...unsigned(pages)]])),
    ...section(3, vector([[0]])),
    ...section(7, vector([[...text("run"), 0, 0]])),
    ...section(10, vector([[...unsigned(body.length), ...body]])),
  ]);
  const names = (of: readonly Value[]) => of.map(({ name }) => name!);
  return { code, arrays: names(arrays), scalars: names(scalars), results: results.map(([name]) => name) };
}

const LOOP = 0x03;
const EMPTY = 0x40;
const END = 0x0b;
const BRANCH_IF = 0x0d;
const LOCAL_TEE = 0x22;
const F64_CONST = 0x44;
const I32_LESS = 0x49;
const I32_ADD = 0x6a;
const F64_ADD = 0xa0;
const DEMOTE = 0xb6;
const V128_LOAD = 0x00;
const V128_STORE = 0x0b;
const SHUFFLE = 0x0d;
const F32X4_SPLAT = 0x13;
const F32X4_LESS = 0x43;
const V128_ANDNOT = 0x4f;
const F32X4_ABS = 0xe0;
const F64X2_LANE = 0x21;
const F64X2_PROMOTE_LOW = 0x5f;
const F64X2_ADD = 0xf0;

const get = (local: number) => [0x20, ...unsigned(local)];
const set = (local: number) => [0x21, ...unsigned(local)];
const i32 = (small: number) => [0x41, small]; // below 64
const simd = (opcode: number) => [0xfd, ...unsigned(opcode)];
/** The place of a page, for a load or store that is aligned to 16 bytes. */
const at = (page: number) => [4, ...unsigned(page * PAGE)];

/** Add the four elements of `value`, widened: two to one total, two to the other. */
function accumulate(value: number, [lower, upper]: readonly [number, number]): number[] {
  const swapped = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
  return [
    ...[...get(lower), ...get(value), ...simd(F64X2_PROMOTE_LOW), ...simd(F64X2_ADD), ...set(lower)],
    ...[...get(upper), ...get(value), ...get(value), ...simd(SHUFFLE), ...swapped],
    ...[...simd(F64X2_PROMOTE_LOW), ...simd(F64X2_ADD), ...set(upper)],
  ];
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

const double = (value: number) => [...new Uint8Array(new Float64Array([value]).buffer)];
const text = (value: string) => [...unsigned(value.length), ...Buffer.from(value, "ascii")];
const vector = (items: readonly (readonly number[])[]) => [...unsigned(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]) => [id, ...unsigned(content.length), ...content];
