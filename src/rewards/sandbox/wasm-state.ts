/** @file The sections of a WebAssembly binary, to export what of a machine's state changes and has no name outside. */

const [TABLES, GLOBALS, EXPORTS] = [4, 6, 7];
const KINDS = { table: 1, global: 3 } as const;

/** The binary with each mutable global and each table of its own exported, as `state_global_3` by their place in the section. */
export function exportState(binary: Uint8Array): Uint8Array {
  const sections = sectionsOf(binary);
  const imported = countImports(sections.find(({ id }) => id === 2)?.body ?? new Uint8Array([0]));
  const names: { name: string; kind: number; index: number }[] = [];
  for (const { id, body } of sections) {
    if (id === TABLES)
      tableCount(body).forEach((_, i) => {
        names.push({ name: `state_table_${i}`, kind: KINDS.table, index: imported.tables + i });
      });
    if (id === GLOBALS)
      mutableGlobals(body).forEach((i) => {
        names.push({ name: `state_global_${i}`, kind: KINDS.global, index: imported.globals + i });
      });
  }
  return Buffer.concat([
    binary.subarray(0, 8),
    ...sections.map(({ id, body }) => {
      const content = id === EXPORTS ? withExports(body, names) : body;
      return Buffer.concat([Uint8Array.of(id), leb(content.length), content]);
    }),
  ]);
}

function sectionsOf(binary: Uint8Array): { id: number; body: Uint8Array }[] {
  const read = reader(binary, 8);
  const sections = [];
  while (read.at() < binary.length) {
    const id = read.byte();
    sections.push({ id, body: read.bytes(read.number()) });
  }
  return sections;
}

/** How many tables and globals come from outside: they have the first numbers. */
function countImports(body: Uint8Array): { tables: number; globals: number } {
  const read = reader(body);
  const counts = { tables: 0, globals: 0 };
  for (let n = read.number(); n > 0; n--) {
    read.bytes(read.number());
    read.bytes(read.number());
    const kind = read.byte();
    if (kind === 1) {
      counts.tables++;
      read.byte();
    }
    if (kind === 1 || kind === 2) {
      const bounded = read.byte() & 1;
      read.number();
      if (bounded) read.number();
    } else if (kind === 3) {
      counts.globals++;
      read.bytes(2);
    } else {
      if (kind === 4) read.byte(); // a tag's attribute
      read.number();
    }
  }
  return counts;
}

const tableCount = (body: Uint8Array): undefined[] => Array.from({ length: reader(body).number() });

/** The places of mutable globals. Their values are constants or references to others. */
function mutableGlobals(body: Uint8Array): number[] {
  const read = reader(body);
  const mutable: number[] = [];
  const count = read.number();
  for (let i = 0; i < count; i++) {
    read.byte();
    if (read.byte() === 1) mutable.push(i);
    for (let op = read.byte(); op !== 0x0b; op = read.byte()) {
      if (op === 0x43) read.bytes(4);
      else if (op === 0x44) read.bytes(8);
      else if (op === 0xd0) read.byte();
      else if ([0x41, 0x42, 0x23, 0xd2].includes(op)) read.number();
    }
  }
  return mutable;
}

function withExports(body: Uint8Array, names: readonly { name: string; kind: number; index: number }[]): Uint8Array {
  const read = reader(body);
  const count = read.number();
  return Buffer.concat([
    leb(count + names.length),
    body.subarray(read.at()),
    ...names.map(({ name, kind, index }) =>
      Buffer.concat([leb(name.length), Buffer.from(name), Uint8Array.of(kind), leb(index)]),
    ),
  ]);
}

function reader(binary: Uint8Array, start = 0) {
  let at = start;
  const byte = () => binary[at++]!;
  return {
    at: () => at,
    byte,
    bytes(length: number) {
      at += length;
      return binary.subarray(at - length, at);
    },
    /** LEB128; the sign of constants is of no interest here. */
    number() {
      let value = 0;
      for (let scale = 1; ; scale *= 128) {
        const next = byte();
        value += (next & 127) * scale;
        if (next < 128) return value;
      }
    },
  };
}

function leb(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}
