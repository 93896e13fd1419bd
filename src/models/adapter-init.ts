/** @file How PEFT begins adapters, and what some beginnings take out of the weights that an adapter is beside. */

import { z } from "zod";
import type { Target } from "./lora-targets.ts";
import { leadingPart, principalPart } from "./principal.ts";

/** The part of W, [out, in], that the adapter itself begins with, and that is no longer in W. */
type Taken = (weight: Float32Array, target: Target) => Float64Array;

const MOVES: Record<string, Taken> = {
  /** PiSSA (arXiv:2404.02948): s B A is the principal part of rank r. */
  pissa: (weight, target) => principalPart(weight, target, target.r),
  /** OLoRA (arXiv:2406.01775): B A is what the first r columns of W span, and s of it is taken. */
  olora: (weight, target) => leadingPart(weight, target, target.r).map((x) => target.scaling * x),
};

/** Beginnings that leave W as it is. */
const LEAVES = ["gaussian", "orthogonal", "eva", "mica"];

/** Why the weights that other beginnings leave cannot be made again. */
const WHY: [name: RegExp, why: string][] = [
  [/^pissa_niter_/, "takes a part out of the weights that random numbers decide"],
  [/^corda/, "takes a part out of the weights that its data decided"],
  [/^lora_ga$/, "takes a part out of the weights that gradients of its data decided"],
  [/^loftq$/, "puts other weights in place of the base's, which are quantised"],
];

const CURE =
  "Save it again with PEFT's save_pretrained(path_initial_model_for_weight_conversion=…), after which init_lora_weights is true, put the adapter as it began into a folder pissa_init in its own, or merge it there first (merge_and_unload)";

/** Beginnings that take s B A of what A and B began with out of the weights, whatever decided these. */
const TAKES = /^(pissa(_niter_\d+)?|olora|corda(_ipm|_kpm)?|lora_ga)$/;

/** Whether the adapter as it began says what such a beginning took. */
export const takesItself = (init: unknown): init is string => typeof init === "string" && TAKES.test(init);

/** `init_lora_weights`, where what it does to the weights can be done here. */
export const InitLoraWeights = z
  .union([z.boolean(), z.string()])
  .nullish()
  .transform((value) =>
    typeof value === "string" && !value.startsWith("pissa") ? value.toLowerCase() : (value ?? true),
  )
  .superRefine((value, { addIssue }) => {
    if (typeof value === "boolean" || LEAVES.includes(value) || Object.hasOwn(MOVES, value)) return;
    const why = WHY.find(([name]) => name.test(value))?.[1] ?? "is not known here";
    addIssue({
      code: "custom",
      message: `"${value}" ${why}; expected true, false or one of ${[...LEAVES, ...Object.keys(MOVES)].join(", ")}. ${CURE}`,
    });
  });

/** Take out of W, in place, what an adapter that began so holds of it. */
export function moveBase(weight: Float32Array, target: Target, init: string | boolean | undefined): void {
  const taken = typeof init === "string" ? MOVES[init] : undefined;
  if (!taken) return;
  const part = taken(weight, target);
  for (let i = 0; i < weight.length; i++) weight[i] = weight[i]! - part[i]!;
}

/** Whether an adapter that began so has taken something out of the weights. */
export const movesBase = (init: string | boolean | undefined): boolean =>
  typeof init === "string" && Object.hasOwn(MOVES, init);
