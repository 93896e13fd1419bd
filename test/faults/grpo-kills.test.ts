import { test } from "node:test";
import { killReinforcement } from "./grpo-kills.ts";

/** A short form; npm run test:faults kills it 30 times. */
const KILLS = 10;

test(`reinforcement that is killed at ${KILLS} random points comes to the same weights, ledger and metrics`, async () => {
  await killReinforcement(KILLS);
});
