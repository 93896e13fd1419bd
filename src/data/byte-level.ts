/** @file The spelling of bytes in byte-level vocabularies, as GPT-2 introduced it. */

/** A printable character for each byte: itself where it is printable, else the next one from 256 on. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

/** The byte that a character stands for. */
export const BYTE_OF: ReadonlyMap<string, number> = new Map(
  BYTE_CHARACTERS.map((character, byte) => [character, byte]),
);
