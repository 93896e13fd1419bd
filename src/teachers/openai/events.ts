/** @file Server-sent events: their data, one after the other, however the bytes are cut. */

import { DistillError } from "../../core/errors.ts";

/** Bytes of one event: more is no answer of a model. */
const LARGEST = 64 * 2 ** 20;

/** Reads a stream of events; `event` is told the data of each. Comments and blank lines are none. */
export function eventReader(event: (data: string) => void): { push(bytes: Uint8Array): void; end(): void } {
  let rest: Buffer = Buffer.alloc(0);
  let data: string[] = [];
  const line = (text: string) => {
    if (text === "") {
      if (data.length > 0) event(data.join("\n"));
      data = [];
    } else if (text.startsWith("data:")) data.push(text.slice(text[5] === " " ? 6 : 5));
  };
  return {
    push(bytes) {
      const all =
        rest.length > 0 ? Buffer.concat([rest, bytes]) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      let from = 0;
      for (let at = 0; at < all.length; at++) {
        if (all[at] !== 10 && all[at] !== 13) continue;
        if (all[at] === 13 && at + 1 === all.length) break; // the other half of \r\n may come
        line(all.toString("utf8", from, at));
        if (all[at] === 13 && all[at + 1] === 10) at++;
        from = at + 1;
      }
      rest = Buffer.from(all.subarray(from));
      if (rest.length > LARGEST) throw new DistillError(`An event of more than ${LARGEST} bytes was sent.`);
    },
    /** What is left: a last event without a blank line behind it. */
    end() {
      if (rest.length > 0) line(rest.toString("utf8").replace(/\r$/, ""));
      rest = Buffer.alloc(0);
      line("");
    },
  };
}
