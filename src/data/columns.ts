/** @file Values as columns of Arrow. */

import {
  type Data,
  type DataType,
  Field,
  Float32,
  Int32,
  List,
  makeData,
  Struct,
  Utf8,
  vectorFromArray,
} from "../formats/apache-arrow.ts";

export const listOf = (item: DataType): List => new List(new Field("item", item, true));

export const INTEGERS = listOf(new Int32());
export const FLOATS = listOf(new Float32());

/** A column of values. Lists are anything that can be walked through, structs anything with their keys. */
export function dataOf(values: readonly unknown[], type: DataType): Data {
  if (type instanceof Utf8) return textData(values as readonly (string | null)[]);
  if (type instanceof List) return listData(values as readonly (Iterable<unknown> | null)[], type);
  if (type instanceof Struct) return structData(values as readonly (Record<string, unknown> | null)[], type);
  if (type instanceof Int32 || type instanceof Float32) return numberData(values as readonly (number | null)[], type);
  return values.length > 0 ? vectorFromArray(values, type).data[0]! : makeData({ type } as never);
}

/** A column of one key of rows. */
export const column = <Row>(type: DataType, rows: readonly Row[], key: keyof Row): Data =>
  dataOf(
    rows.map((row) => row[key]),
    type,
  );

/** Tokens and their probabilities, of which there are millions: also written without a builder. */
function numberData(values: readonly (number | null | undefined)[], type: Int32 | Float32): Data {
  const numbers = values.map((value) => value ?? 0);
  const data = type instanceof Int32 ? Int32Array.from(numbers) : Float32Array.from(numbers);
  return makeData({ type, length: values.length, ...nullsOf(values), data } as never);
}

/** A column of texts: the bulk of every dataset, so written without a builder. */
function textData(texts: readonly (string | null | undefined)[]): Data {
  const valueOffsets = offsetsOf(texts.map((text) => Buffer.byteLength(text ?? "")));
  const data = Buffer.allocUnsafeSlow(valueOffsets.at(-1)!);
  for (const [i, text] of texts.entries()) if (text) data.write(text, valueOffsets[i]!);
  return makeData({ type: new Utf8(), length: texts.length, ...nullsOf(texts), valueOffsets, data });
}

function listData(lists: readonly (Iterable<unknown> | null | undefined)[], type: List): Data {
  const items = lists.map((list) => [...(list ?? [])]);
  const valueOffsets = offsetsOf(items.map(({ length }) => length));
  const child = dataOf(items.flat(), type.children[0]!.type);
  return makeData({ type, length: lists.length, ...nullsOf(lists), valueOffsets, child });
}

function structData(structs: readonly (Record<string, unknown> | null | undefined)[], type: Struct): Data {
  const children = (type.children as Field[]).map(({ name, type }) =>
    dataOf(
      structs.map((struct) => struct?.[name] ?? null),
      type,
    ),
  );
  return makeData({ type, length: structs.length, ...nullsOf(structs), children });
}

function offsetsOf(lengths: readonly number[]): Int32Array {
  const offsets = new Int32Array(lengths.length + 1);
  for (const [i, length] of lengths.entries()) offsets[i + 1] = offsets[i]! + length;
  return offsets;
}

function nullsOf(values: readonly unknown[]): { nullCount: number; nullBitmap: Uint8Array | null } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  let nullCount = 0;
  for (const [i, value] of values.entries())
    if (value === null || value === undefined) nullCount++;
    else nullBitmap[i >> 3]! |= 1 << (i & 7);
  return { nullCount, nullBitmap: nullCount > 0 ? nullBitmap : null };
}

/** Columns of `length` rows as one column of structs. */
export function struct(children: Record<string, Data>, length: number): Data<Struct> {
  const fields = Object.entries(children).map(([name, data]) => new Field(name, data.type, true));
  return makeData({ type: new Struct(fields), length, nullCount: 0, children: Object.values(children) });
}
