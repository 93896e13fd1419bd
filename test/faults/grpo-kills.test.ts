import { test } from "node:test";
import { extent } from "../support/extent.ts";
import { killReinforcement } from "./grpo-kills.ts";

/** A short form; npm run test:faults kills it 30 times. */
const KILLS = extent(2, 10);

test(`reinforcement that is killed at ${KILLS} random points comes to the same weights, ledger and metrics`, async () => {
  await killReinforcement(KILLS, extent({ steps: 16, lanes: 1 }, { steps: 48, lanes: 2 }));
});
