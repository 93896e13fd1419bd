/** @file The logits of a model in an HF folder for a JSON list of token ids, as float32 on standard output. */

import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";

const [folder, ids] = process.argv.slice(2);
const runner = await openReferenceRunner(folder!);
const logits = await runner.logits(JSON.parse(ids!));
process.stdout.write(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength));
await runner.close();
