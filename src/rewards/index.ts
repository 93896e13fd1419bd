/** Rules that score completions, each under the name that a recipe gives. */
export { accuracy } from "./accuracy.ts";
export { code } from "./code.ts";
export { cosine_length } from "./cosine-length.ts";
export { countdown } from "./countdown.ts";
export { exact_match } from "./exact-match.ts";
export { format } from "./format.ts";
export { language_consistency } from "./language-consistency.ts";
export { length } from "./length.ts";
export { multiple_choice } from "./multiple-choice.ts";
export { code_blocks, long_paragraphs, mixed_language, repetition, truncation } from "./readability.ts";
export { reasoning_steps } from "./reasoning-steps.ts";
export { repetition_penalty } from "./repetition-penalty.ts";
export { soft_overlong } from "./soft-overlong.ts";
export { tag_count } from "./tag-count.ts";
export { think_format } from "./think-format.ts";
