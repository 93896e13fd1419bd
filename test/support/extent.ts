/** @file How much a test tries of what it may try for ever: `npm run test:long` more than `npm test`. */

/** Set by test/main.ts for the test files and what they start. */
export const LONG = "DISTILL_TEST_LONG";

/** A count of inputs, steps or kills: the second in `npm run test:long`. */
export const extent = <Count>(short: Count, long: Count): Count => (process.env[LONG] === "1" ? long : short);
