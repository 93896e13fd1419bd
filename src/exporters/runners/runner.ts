/** Something that computes what a model predicts after each token of a text. */
export type Runner = {
  /** Logits of the next token after each of `tokens`: [tokens, vocab]. A DistillError where they are not finite. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
};
