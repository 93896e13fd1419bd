/** @file A model in several GGUF files: the first says what it is, and each has some of its tensors. */

import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { type GgufFile, openGguf } from "./gguf-reader.ts";

const PIECE = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;
const five = (number: number) => String(number).padStart(5, "0");

/** The names of the other files of the model that a file of this name belongs to, which llama.cpp finds by them. */
export function otherPieces(name: string): string[] {
  const [, stem, number, count] = PIECE.exec(name) ?? [];
  if (stem === undefined) return [];
  const all = Array.from({ length: Number(count) }, (_, i) => `${stem}-${five(i + 1)}-of-${count}.gguf`);
  return all.filter((_, i) => i + 1 !== Number(number));
}

/** Open a model whose first or only file is at `path`, with the tensors of all of its files. */
export function openGgufModel(path: string): GgufFile {
  const first = openGguf(path);
  const opened = [first];
  const close = () => {
    for (const file of opened) file.close();
  };
  try {
    const { number, count, tensors: total } = splitOf(first);
    if (count <= 1) return first;
    const others = otherPieces(basename(path));
    if (others.length !== count - 1)
      throw new DistillError(
        `${path} is one of ${count} files of a model, and its name does not say which. Expected one that ends in -${five(number + 1)}-of-${five(count)}.gguf.`,
      );
    if (number !== 0)
      throw new DistillError(
        `${path} is file ${number + 1} of the ${count} of a model. Give the first, ${join(dirname(path), others[0]!)}.`,
      );
    const places = others.map((name) => join(dirname(path), name));
    const missing = places.find((place) => !existsSync(place));
    if (missing)
      throw new DistillError(
        `${missing} is missing: the model in ${path} has ${count} files. Put all of them beside it.`,
      );
    const from = new Map([...first.tensors.keys()].map((name) => [name, first]));
    const tensors = new Map(first.tensors);
    for (const [i, place] of places.entries()) {
      const piece = openGguf(place);
      opened.push(piece);
      const foreign = (why: string): never => {
        throw new DistillError(
          `${place} does not belong to the model in ${path}: ${why}. Take all files from one place.`,
        );
      };
      const said = splitOf(piece);
      if (said.count !== count || said.number !== i + 1 || said.tensors !== total)
        foreign(
          `it says that it is file ${said.number + 1} of ${said.count}, with ${said.tensors} tensors in all, and ${i + 2} of ${count} with ${total} is expected`,
        );
      for (const [name, entry] of piece.tensors) {
        if (tensors.has(name)) foreign(`its tensor "${name}" is in another file too`);
        tensors.set(name, entry);
        from.set(name, piece);
      }
    }
    if (total !== undefined && tensors.size !== total)
      throw new DistillError(
        `The ${count} files of ${path} have ${tensors.size} tensors, and the first says ${total}. One of them belongs to another model.`,
      );
    return { metadata: first.metadata, tensors, read: (name) => from.get(name)!.read(name), close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Which of how many files it is, counted from 0, and how many tensors all of them have. */
function splitOf({ metadata }: GgufFile): { number: number; count: number; tensors: number | undefined } {
  const number = (key: string) => {
    const value = metadata.get(`split.${key}`)?.value;
    return typeof value === "number" ? value : undefined;
  };
  return { number: number("no") ?? 0, count: number("count") ?? 1, tensors: number("tensors.count") };
}
