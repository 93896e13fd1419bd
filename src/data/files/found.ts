/** @file A row as a file has it, before anybody asks what it means. */

/** A row and where it stands; `fault` is a sentence that says why it cannot be read, where it cannot. */
export type Found = { where: string; value: unknown; fault?: string };

/** A kind of file that rows lie in. */
export type RowFile = {
  /** How the names of its files end, without what a compression adds. */
  endings: readonly string[];
  /** Its rows, one at a time. What is wrong with the file as a whole is thrown. */
  rows(path: string): AsyncGenerator<Found> | Generator<Found>;
};
