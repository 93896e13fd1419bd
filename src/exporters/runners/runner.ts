/** Something that computes what a model predicts after each token of a text. */
export type Runner = {
  /** Logits of the next token after each of `tokens`: [tokens, vocab]. A DistillError where they are not finite. */
  logits(tokens: readonly number[]): Promise<Float32Array>;
  close(): Promise<void>;
};

/** What files are compared with. */
export type ReferenceRunner = Runner & {
  /** The most likely continuation of each prompt, up to one of the stop tokens (which is part of it) or the limit. */
  continueGreedily(
    prompts: readonly (readonly number[])[],
    options: { stops: readonly number[]; max_completion_length: number },
  ): Promise<number[][]>;
};

/** What runs files of one format. */
export type FileRunner = {
  /** How their names end. */
  ending: string;
  open(path: string): Promise<Runner>;
};
