/** @file What Arrow's buffers are packed with, told to its library, which brings no codec of its own. */

import { createRequire } from "node:module";
import { Decompress } from "fzstd";
import { CompressionType, compressionRegistry } from "./apache-arrow.ts";

/** Bytes that a buffer may hold: a record batch is in memory as a whole. */
const MAX_BUFFER = 2 ** 31;

compressionRegistry.set(CompressionType.LZ4_FRAME, {
  decode: (packed) => {
    const { decompressFrameSync } = createRequire(import.meta.url)("lz4-napi") as typeof import("lz4-napi");
    return decompressFrameSync(Buffer.from(packed));
  },
});

compressionRegistry.set(CompressionType.ZSTD, {
  decode(packed) {
    const made: Uint8Array[] = [];
    let length = 0;
    const decompress = new Decompress((bytes) => {
      made.push(bytes);
      length += bytes.length;
      if (length > MAX_BUFFER) throw new Error(`a column holds more than ${MAX_BUFFER} bytes in one record batch`);
    });
    decompress.push(packed, true);
    return Buffer.concat(made, length);
  },
});
