import { z } from "zod";
import { DistillError } from "./errors.ts";

/** Something a recipe can name: its options, and how to make it from them. */
export type Component<Options extends z.ZodObject, Made> = {
  readonly options: Options;
  create(options: z.output<Options>): Made;
};

// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
type Registry<Made> = Record<string, Component<any, Made>>;

/** The schema of `{ type: <a name in the registry>, ...its options, ...more }`. */
export function oneOf<Made, More extends z.ZodRawShape = Record<never, never>>(registry: Registry<Made>, more?: More) {
  const schemas = Object.entries(registry).map(([type, { options }]) =>
    described(options.extend({ ...more, type: z.literal(type).describe("What it is.") }).strict(), options.description),
  );
  return z.discriminatedUnion("type", schemas as unknown as [z.ZodObject<{ type: z.ZodLiteral<string> } & More>]);
}

/** What is said of a schema is not said of what is made from it by `extend`, and is said again. */
const described = <Schema extends z.ZodType>(schema: Schema, sentence: string | undefined): Schema =>
  sentence === undefined ? schema : schema.describe(sentence);

/** Make what a parsed recipe names. */
export const create = <Made>(registry: Registry<Made>, { type, ...options }: { type: string }, kind: string): Made =>
  componentOf(registry, type, kind).create(options);

/** What a recipe names; `kind` says in errors what it is. */
export function componentOf<Made extends object>(registry: Record<string, Made>, type: string, kind: string): Made {
  const component = registry[type];
  if (!component)
    throw new DistillError(`Unknown ${kind} "${type}". Expected one of: ${Object.keys(registry).join(", ")}.`);
  return component;
}

const marks = z.registry<{ content?: false; continued?: true }>();

/** An option that says where something lies or how fast it runs, not what comes of it: no result hangs on it. */
export function notContent<Option extends z.ZodType>(option: Option): Option {
  const marked = option.clone(); // the option itself may be another's too
  marks.add(marked, { content: false });
  return marked;
}

/** An option that the result hangs on, and that may change on the way: what was begun under another value is gone on with. */
export function continuable<Option extends z.ZodType>(option: Option): Option {
  const marked = option.clone();
  marks.add(marked, { continued: true });
  return marked;
}

const filtered = <Options extends object>(parsed: Options, keep: (key: string) => boolean): Partial<Options> =>
  Object.fromEntries(Object.entries(parsed).filter(([key]) => keep(key))) as Partial<Options>;

/** A mark is inherited by what is made of an option, such as one with a description. */
const markOf = (option: z.core.$ZodType | undefined) => (option ? marks.get(option as z.ZodType) : undefined);

/** Of parsed options those that results hang on. */
export const contentOf = <Options extends object>({ shape }: z.ZodObject, parsed: Options): Partial<Options> =>
  filtered(parsed, (key) => markOf(shape[key])?.content !== false);

/** Of those the ones without which nothing that was begun can be gone on with. */
export const foundationOf = <Options extends object>({ shape }: z.ZodObject, parsed: Options): Partial<Options> =>
  filtered(parsed, (key) => markOf(shape[key]) === undefined);
