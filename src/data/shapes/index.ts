export { conversations, messages } from "./messages.ts";
export { answer, completion, context, instruction, query, questionResponse, response, solution } from "./pairs.ts";
export { text } from "./text.ts";
export { tokens } from "./tokens.ts";
export { trace } from "./traces.ts";
