/** @file The part of ONNX's protobuf (onnx.proto3, IR version 10) that this toolkit writes and reads. */

import protobuf from "protobufjs";
import { ELEMENT_TYPES, type ElementType, type OnnxValueInfo } from "./onnx-types.ts";

export * from "./onnx-types.ts";

export type OnnxAttribute =
  | { name: string; type: "INT"; i: number }
  | { name: string; type: "FLOAT"; f: number }
  | { name: string; type: "STRING"; s: string }
  | { name: string; type: "INTS"; ints: readonly number[] }
  | { name: string; type: "GRAPH"; g: OnnxGraph };

export type OnnxNode = {
  name?: string;
  opType: string;
  domain: string;
  input: string[];
  output: string[];
  attribute: OnnxAttribute[];
};

export type OnnxTensor = { name: string; elemType: ElementType; dims: readonly number[]; rawData: Uint8Array };

/** A tensor whose bytes are not at hand when the model is laid out. */
export type StoredTensor = {
  name: string;
  elemType: ElementType;
  dims: readonly number[];
  /** How many bytes it has. */
  bytes: number;
  /** The file, beside the model or in memory, that holds the bytes; without it they follow the tensor's head in the model. */
  external?: { location: string; offset: number };
};

/** A model's graph, or the body of a node such as Loop, which may also read what the graphs around it name. */
export type OnnxGraph = {
  node: OnnxNode[];
  input: OnnxValueInfo[];
  output: OnnxValueInfo[];
  initializer: OnnxTensor[];
};

export type OnnxModel = OnnxGraph & { opset: Record<string, number> };

const schema = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: { id: 1, type: "int64" },
        opsetImport: { id: 8, rule: "repeated", type: "OperatorSetIdProto" },
        producerName: { id: 2, type: "string" },
        graph: { id: 7, type: "GraphProto" },
      },
    },
    OperatorSetIdProto: { fields: { domain: { id: 1, type: "string" }, version: { id: 2, type: "int64" } } },
    GraphProto: {
      fields: {
        node: { id: 1, rule: "repeated", type: "NodeProto" },
        name: { id: 2, type: "string" },
        initializer: { id: 5, rule: "repeated", type: "TensorProto" },
        input: { id: 11, rule: "repeated", type: "ValueInfoProto" },
        output: { id: 12, rule: "repeated", type: "ValueInfoProto" },
      },
    },
    NodeProto: {
      fields: {
        input: { id: 1, rule: "repeated", type: "string" },
        output: { id: 2, rule: "repeated", type: "string" },
        name: { id: 3, type: "string" },
        opType: { id: 4, type: "string" },
        attribute: { id: 5, rule: "repeated", type: "AttributeProto" },
        domain: { id: 7, type: "string" },
      },
    },
    AttributeProto: {
      fields: {
        name: { id: 1, type: "string" },
        f: { id: 2, type: "float" },
        i: { id: 3, type: "int64" },
        s: { id: 4, type: "bytes" },
        g: { id: 6, type: "GraphProto" },
        ints: { id: 8, rule: "repeated", type: "int64" },
        type: { id: 20, type: "int32" },
      },
    },
    ValueInfoProto: { fields: { name: { id: 1, type: "string" }, type: { id: 2, type: "TypeProto" } } },
    TypeProto: { fields: { tensorType: { id: 1, type: "TypeTensor" } } },
    TypeTensor: { fields: { elemType: { id: 1, type: "int32" }, shape: { id: 2, type: "TensorShapeProto" } } },
    TensorShapeProto: { fields: { dim: { id: 1, rule: "repeated", type: "Dimension" } } },
    Dimension: {
      oneofs: { value: { oneof: ["dimValue", "dimParam"] } },
      fields: { dimValue: { id: 1, type: "int64" }, dimParam: { id: 2, type: "string" } },
    },
    TensorProto: {
      fields: {
        dims: { id: 1, rule: "repeated", type: "int64" },
        dataType: { id: 2, type: "int32" },
        name: { id: 8, type: "string" },
        rawData: { id: 9, type: "bytes" },
        externalData: { id: 13, rule: "repeated", type: "StringStringEntryProto" },
        dataLocation: { id: 14, type: "int32" },
      },
    },
    StringStringEntryProto: { fields: { key: { id: 1, type: "string" }, value: { id: 2, type: "string" } } },
  },
};

const root = protobuf.Root.fromJSON(schema);
const [ModelProto, GraphProto, TensorProto] = ["ModelProto", "GraphProto", "TensorProto"].map((name) =>
  root.lookupType(name),
) as [protobuf.Type, protobuf.Type, protobuf.Type];
const ATTRIBUTE_TYPES = { FLOAT: 1, INT: 2, STRING: 3, GRAPH: 5, INTS: 7 } as const;

/** Serialise a model. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  return ModelProto.encode({ ...header(model), graph: graphOf(model) }).finish();
}

/**
 * Lay out a model whose weights are written after it, one at a time: the file is `head`, then for each of `tensors` its
 * head and, unless it is external, its bytes.
 */
export function layOutOnnx(
  model: OnnxModel,
  tensors: readonly StoredTensor[],
): { head: Uint8Array; heads: Uint8Array[]; size: number } {
  const heads = tensors.map(tensorHead);
  const graph = GraphProto.encode(graphOf(model)).finish();
  const inside = tensors.reduce((sum, tensor, i) => sum + heads[i]!.length + inlineBytes(tensor), graph.length);
  const start = ModelProto.encode(header(model)).finish();
  const head = Buffer.concat([start, lengthDelimited(ModelProto, "graph", inside), graph]);
  return { head, heads, size: head.length - graph.length + inside };
}

/** The bytes of an inline tensor follow it, because raw data is written as its last field. */
function tensorHead(tensor: StoredTensor): Uint8Array {
  const { name, elemType, dims, bytes, external } = tensor;
  const entries = external ? { ...external, length: bytes } : {};
  const fields = TensorProto.encode({
    name,
    dims,
    dataType: ELEMENT_TYPES[elemType],
    ...(external ? { dataLocation: 1 } : {}),
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value: String(value) })),
  }).finish();
  const data = external ? new Uint8Array() : lengthDelimited(TensorProto, "rawData", bytes);
  const length = fields.length + data.length + inlineBytes(tensor);
  return Buffer.concat([lengthDelimited(GraphProto, "initializer", length), fields, data]);
}

const inlineBytes = ({ bytes, external }: StoredTensor) => (external ? 0 : bytes);

/** The tag of a field, and the length of what follows. */
function lengthDelimited(type: protobuf.Type, field: string, length: number): Uint8Array {
  const tag = (type.fields[field]!.id << 3) | 2;
  return protobuf.Writer.create().uint32(tag).uint32(length).finish();
}

const header = ({ opset }: OnnxModel) => ({
  irVersion: 10,
  producerName: "distill",
  opsetImport: Object.entries(opset).map(([domain, version]) => ({ domain, version })),
});

const graphOf = (graph: OnnxGraph): object => ({
  name: "program",
  node: graph.node.map(({ attribute, ...node }) => ({ ...node, attribute: attribute.map(encodeAttribute) })),
  initializer: graph.initializer.map(({ elemType, ...tensor }) => ({
    ...tensor,
    dataType: ELEMENT_TYPES[elemType],
  })),
  input: graph.input.map(encodeValueInfo),
  output: graph.output.map(encodeValueInfo),
});

function encodeAttribute(attribute: OnnxAttribute): object {
  const type = ATTRIBUTE_TYPES[attribute.type];
  if ("s" in attribute) return { ...attribute, type, s: new TextEncoder().encode(attribute.s) };
  if ("g" in attribute) return { ...attribute, type, g: graphOf(attribute.g) };
  return { ...attribute, type };
}

function encodeValueInfo({ name, elemType, shape }: OnnxValueInfo): object {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: ELEMENT_TYPES[elemType], shape: { dim } } } };
}
