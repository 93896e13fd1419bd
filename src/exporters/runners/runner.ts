/** Something that computes what a model predicts after each token of a text. */
export type Runner = {
  /** Logits of the next token after each of `tokens`, from the one at `from` on: [tokens - from, vocab]. A DistillError where they are not finite. */
  logits(tokens: readonly number[], from?: number): Promise<Float32Array>;
  /** Where it can: have what is under way end with Stopped once a signal says so, until what is returned is called. */
  heed?(signal: AbortSignal): () => Promise<void>;
  close(): Promise<void>;
};

/** A prompt and what the weights say after it. */
export type Continuation = {
  prompt: readonly number[];
  completion: readonly number[];
  /** What they find likely in the place of each token of the completion: [completion, vocab]. */
  probabilities: readonly Float32Array[];
};

export type ContinueOptions = {
  stops: readonly number[];
  max_completion_length: number;
  /** Called while work goes on with the number of tokens so far. */
  onTokens?: ((tokens: number) => void) | undefined;
  signal?: AbortSignal | undefined;
};

/** What files are compared with. */
export type ReferenceRunner = Runner & {
  /** The most likely continuation of each prompt, up to one of the stop tokens (which is part of it) or the limit. */
  continueGreedily(prompts: readonly (readonly number[])[], options: ContinueOptions): Promise<Continuation[]>;
};

/** How a program makes tokens of texts. */
export type TextEncoder = {
  /** A text as it stands: tokens that stand for themselves are found in it, and none is added. */
  encode(text: string): number[] | Promise<number[]>;
  /** The token that it puts before a text, where it puts one. */
  readonly bos: number | undefined;
  close(): Promise<void>;
};

/** What runs files of one format. */
export type FileRunner = {
  /** How their names end. */
  ending: string;
  /** `base` is a file of the model that the one at `path` is an adapter to. */
  open(path: string, base?: string): Promise<Runner>;
  /** What the program that loads the file makes of texts; nothing where none reads texts from it. */
  openEncoder?(path: string): Promise<TextEncoder>;
  /** Where it reads the tokenizer, if files share one; the file unless given. */
  tokenizerOf?(path: string): string;
};
