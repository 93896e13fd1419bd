/** @file Arithmetic of nodes, matrices included. */

import { Beyond } from "../limits.ts";
import { call, type Node, number, operation, symbols } from "../tree.ts";
import { integer, negate } from "./rational.ts";

type Matrix = Node & { kind: "matrix" };

const isMatrix = (node: Node): node is Matrix => node.kind === "matrix";

export function minus(node: Node): Node {
  if (node.kind === "number") return { ...node, value: negate(node.value) };
  if (node.kind === "quantity" || node.kind === "percent") return { ...node, value: minus(node.value) };
  return product(number(integer(-1)), node);
}

export function sum(left: Node, right: Node): Node {
  if (left.kind === "quantity" && right.kind === "quantity" && left.unit === right.unit)
    return { ...left, value: sum(left.value, right.value) };
  if (!isMatrix(left) || !isMatrix(right)) return operation("+", left, right);
  if (left.rows.length !== right.rows.length || left.rows[0]!.length !== right.rows[0]!.length)
    return operation("+", left, right);
  return { kind: "matrix", rows: left.rows.map((row, i) => row.map((cell, j) => sum(cell, right.rows[i]![j]!))) };
}

export function product(left: Node, right: Node): Node {
  if (isMatrix(left) && isMatrix(right)) return matrixProduct(left, right);
  if (isMatrix(right) && isScalar(left)) return scaled(right, (cell) => product(left, cell));
  if (isMatrix(left) && isScalar(right)) return scaled(left, (cell) => product(cell, right));
  // A unit belongs to the whole product: 3·(π cm) is (3π) cm.
  if (left.kind === "quantity" && right.kind === "quantity")
    return { kind: "quantity", value: product(left.value, right.value), unit: `${left.unit}*${right.unit}` };
  if (right.kind === "quantity" && isScalar(left)) return { ...right, value: product(left, right.value) };
  // m·s^{-2} may be of units that are read as letters.
  if (left.kind === "quantity" && isScalar(right) && symbols(right).size === 0)
    return { ...left, value: product(left.value, right) };
  return operation("*", left, right);
}

export function quotient(left: Node, right: Node): Node {
  if (left.kind === "quantity" && isScalar(right) && symbols(right).size === 0)
    return { ...left, value: quotient(left.value, right) };
  return isMatrix(left) && isScalar(right)
    ? scaled(left, (cell) => operation("/", cell, right))
    : operation("/", left, right);
}

const isScalar = (node: Node) => ["number", "symbol", "operation", "call"].includes(node.kind);

const scaled = (matrix: Matrix, change: (cell: Node) => Node): Node => ({
  kind: "matrix",
  rows: matrix.rows.map((row) => row.map(change)),
});

function matrixProduct(left: Matrix, right: Matrix): Node {
  const [rows, inner, columns] = [left.rows.length, right.rows.length, right.rows[0]!.length];
  if (left.rows[0]!.length !== inner) return operation("*", left, right);
  if (rows * inner * columns > 216) throw new Beyond("a product of matrices is too large");
  return {
    kind: "matrix",
    rows: left.rows.map((row) =>
      Array.from({ length: columns }, (_, j) =>
        row.map((cell, k) => product(cell, right.rows[k]![j]!)).reduce((a, b) => sum(a, b)),
      ),
    ),
  };
}

/** Laplace's expansion by the first row, to 4 × 4; larger ones stay as they are written. */
export function determinant(rows: Node[][]): Node {
  if (rows.length !== rows[0]!.length || rows.length > 4) return call("det", { kind: "matrix", rows });
  if (rows.length === 1) return rows[0]![0]!;
  return rows[0]!
    .map((cell, j) => {
      const minor = rows.slice(1).map((row) => row.filter((_, k) => k !== j));
      const part = product(cell, determinant(minor));
      return j % 2 ? minus(part) : part;
    })
    .reduce((a, b) => sum(a, b));
}

/** A matrix transposed, inverted or multiplied with itself; other powers stay as they are written. */
export function matrixPower(rows: Node[][], exponent: Node): Node {
  const matrix: Matrix = { kind: "matrix", rows };
  if (exponent.kind === "symbol" && ["T", "t", "\\top", "\\intercal"].includes(exponent.name)) return transposed(rows);
  const k = exponent.kind === "number" && exponent.value.d === 1n ? Number(exponent.value.n) : undefined;
  const square = rows.length === rows[0]!.length;
  if (k !== undefined && square && k >= 1 && k <= 6) {
    let result: Node = matrix;
    for (let i = 1; i < k; i++) result = product(result, matrix);
    return result;
  }
  return k === -1 && square && rows.length > 1 && rows.length <= 3 ? inverse(rows) : operation("^", matrix, exponent);
}

const transposed = (rows: Node[][]): Matrix => ({
  kind: "matrix",
  rows: rows[0]!.map((_, j) => rows.map((row) => row[j]!)),
});

/** The transposed cofactors over the determinant. */
function inverse(rows: Node[][]): Node {
  const whole = determinant(rows);
  const cofactors = rows.map((row, i) =>
    row.map((_, j) => {
      const minor = determinant(rows.filter((_, k) => k !== i).map((other) => other.filter((_, k) => k !== j)));
      return operation("/", (i + j) % 2 ? minus(minor) : minor, whole);
    }),
  );
  return transposed(cofactors);
}
